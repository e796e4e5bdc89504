package launch

import "github.com/monel-dev/monel/transport/bootstrap"

// SecretFor is the secret of ranks that meet at an address which all of them know, as
// NCCL_COMM_ID gives it, where no launcher need have said who is a rank. It is made from
// MONEL_SECRET, so that processes of several launches may meet; or from Open MPI's key of
// the job; or, for want of anything better, from the address and what identifies the job,
// which others may know: then guessable is true.
func SecretFor(getenv func(string) string, addr string) (secret bootstrap.Secret, guessable bool) {
	e := environment{getenv}
	if phrase := getenv("MONEL_SECRET"); phrase != "" {
		return bootstrap.DeriveSecret("address phrase\x00" + phrase + "\x00" + addr), false
	}
	l, err := e.ranks()
	if err != nil {
		return bootstrap.DeriveSecret("address\x00" + addr), true
	}
	if key := e.get(openMPIKey); l.Launcher == "openmpi" && key != "" {
		return bootstrap.DeriveSecret("address key\x00" + key + "\x00" + addr + "\x00" + e.job(&l)), false
	}
	return bootstrap.DeriveSecret("address job\x00" + addr + "\x00" + e.job(&l)), true
}

// GuessableNotice is what rank 0 logs where the ranks' secret can be guessed.
const GuessableNotice = "the ranks' secret is made from the job's identifiers, which others may know; set MONEL_SECRET to the same random text on every rank to keep them out"
