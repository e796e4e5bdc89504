package peers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/monel-dev/monel/bench/internal/cli"
)

// Prepare makes a peer ready to start, on the medium of the given transport.
func (b Builder) Prepare(ctx context.Context, peer cli.Peer, transport cli.Transport) (Program, error) {
	p := Program{Name: string(peer)}
	switch peer {
	case cli.OpenMPI:
		program, err := b.buildMPI(ctx, p.Name, "libopenmpi-dev and openmpi-bin")
		p.Commands = launcher(program, "mpirun.openmpi", openMPI(transport))
		return p, err
	case cli.MPICH:
		program, err := b.buildMPI(ctx, p.Name, "libmpich-dev and mpich")
		p.Commands = launcher(program, "mpirun.mpich", mpich(transport))
		return p, err
	case cli.Gloo:
		program, err := b.build(ctx, p.Name, compiler{
			source: "gloo.cc", command: "g++", flags: []string{"-std=c++17", "-O2"}, libs: []string{"-lgloo", "-pthread"},
			packages: "g++ and libgloo-dev",
		})
		p.Commands = perRank(program)
		return p, err
	case cli.Torch:
		python, err := pythonWithTorch(ctx)
		if err != nil {
			return p, err
		}
		script, err := b.unpack("torch_peer.py")
		p.Commands = perRank(python, script, "gloo")
		return p, err
	case cli.NCCL:
		python, err := pythonWithTorch(ctx)
		if err != nil {
			return p, err
		}
		script, err := b.unpack("torch_peer.py")
		p.Commands = with(nccl(transport), perRank(python, script, "nccl"))
		return p, err
	default:
		return p, fmt.Errorf("%q is not a peer", peer)
	}
}

// Self is a contender whose ranks are this program, started with the arguments.
func Self(name string, args ...string) (Program, error) {
	self, err := os.Executable()
	return Program{Name: name, Commands: perRank(append([]string{self}, args...)...)}, err
}

func (b Builder) buildMPI(ctx context.Context, name, packages string) (string, error) {
	if _, err := exec.LookPath("mpirun." + name); err != nil {
		return "", fmt.Errorf("%s needs mpirun.%s, of Debian's %s: %w", name, name, packages, err)
	}
	return b.build(ctx, name, compiler{source: "mpi.c", command: "mpicc." + name, flags: []string{"-O2"}, packages: packages})
}

// pythonWithTorch finds the interpreter that has PyTorch: Debian's before one
// that the user has put ahead of it.
func pythonWithTorch(ctx context.Context) (string, error) {
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.CommandContext(ctx, python, "-c", "import numpy, torch.distributed").Run() == nil {
			return python, nil
		}
	}
	return "", fmt.Errorf("torch needs Debian's python3-torch and python3-numpy: no python3 can import torch.distributed")
}

// perRank starts every rank itself.
func perRank(program ...string) func(size int, socket, folder string) []Command {
	return func(size int, socket, folder string) []Command {
		commands := make([]Command, size)
		for rank := range commands {
			commands[rank].Args = append(program[:len(program):len(program)], socket, strconv.Itoa(rank), strconv.Itoa(size), folder)
		}
		return commands
	}
}

// with adds to the environment of commands.
func with(env []string, commands func(int, string, string) []Command) func(int, string, string) []Command {
	return func(size int, socket, folder string) []Command {
		all := commands(size, socket, folder)
		for i := range all {
			all[i].Env = append(all[i].Env, env...)
		}
		return all
	}
}

// nccl keeps NCCL from what ours does not use, the links between GPUs: it has
// sockets, or shared memory where ours has that.
func nccl(transport cli.Transport) []string {
	env := []string{"NCCL_P2P_DISABLE=1", "NCCL_NET=Socket", "NCCL_NVLS_ENABLE=0", "NCCL_SOCKET_IFNAME=lo"}
	if transport == cli.TCP {
		env = append(env, "NCCL_SHM_DISABLE=1")
	}
	return env
}

// launcher starts all ranks with an mpirun.
func launcher(program, mpirun string, with Command) func(size int, socket, folder string) []Command {
	return func(size int, socket, _ string) []Command {
		args := append([]string{mpirun, "-n", strconv.Itoa(size)}, with.Args...)
		return []Command{{Args: append(args, program, socket), Env: with.Env}}
	}
}

// openMPI is told which wires to use, so that all contenders use the same
// medium. It notices by itself that there are more ranks than cores, and lets
// them yield then, once it is allowed to start them.
func openMPI(transport cli.Transport) Command {
	args := []string{"--oversubscribe", "--mca", "pml", "ob1"}
	if os.Geteuid() == 0 {
		args = append(args, "--allow-run-as-root")
	}
	if transport == cli.TCP {
		return Command{Args: append(args, "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "lo")}
	}
	return Command{Args: append(args, "--mca", "btl", "vader,self")}
}

// mpich of Debian talks UCX. Its own shared memory is for ranks that it knows to
// be on one host, so over TCP it must take all for remote. Versions with
// libfabric read FI_PROVIDER.
func mpich(transport cli.Transport) Command {
	if transport == cli.TCP {
		return Command{Env: []string{"MPIR_CVAR_NOLOCAL=1", "UCX_TLS=tcp,self", "UCX_NET_DEVICES=lo", "FI_PROVIDER=tcp", "FI_TCP_IFACE=lo"}}
	}
	return Command{}
}
