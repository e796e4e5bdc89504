package environ

import "math"

// mostRanks leaves it to package bootstrap how great a world may be.
const mostRanks = math.MaxInt64

// launched are the variables that say who this process is. Package
// transport/bootstrap/launch reads them.
var launched = Group{
	Title: "Ranks and where they meet",
	Intro: "The first complete pair of rank and world size counts, and the first way to meet. " +
		"Mistakes in these end `engine.FromEnv` with an error, since nothing could go on without them.",
	Variables: []Variable{
		{"MONEL_RANK", number(0, mostRanks), "the launcher's", "this process's rank", false},
		{"MONEL_SIZE", number(1, mostRanks), "the launcher's", "how many ranks there are", false},
		{"MONEL_LOCAL_RANK", number(0, mostRanks), "not known", "the rank among those of this host", false},
		{"MONEL_LOCAL_SIZE", number(1, mostRanks), "not known", "how many ranks this host has", false},
		{"RANK", number(0, mostRanks), "", "torchrun's `MONEL_RANK`", false},
		{"WORLD_SIZE", number(1, mostRanks), "", "torchrun's `MONEL_SIZE`", false},
		{"LOCAL_RANK", number(0, mostRanks), "", "torchrun's `MONEL_LOCAL_RANK`", false},
		{"LOCAL_WORLD_SIZE", number(1, mostRanks), "", "torchrun's `MONEL_LOCAL_SIZE`", false},
		{"OMPI_COMM_WORLD_RANK", number(0, mostRanks), "", "Open MPI's `MONEL_RANK`", false},
		{"OMPI_COMM_WORLD_SIZE", number(1, mostRanks), "", "Open MPI's `MONEL_SIZE`", false},
		{"OMPI_COMM_WORLD_LOCAL_RANK", number(0, mostRanks), "", "Open MPI's `MONEL_LOCAL_RANK`", false},
		{"OMPI_COMM_WORLD_LOCAL_SIZE", number(1, mostRanks), "", "Open MPI's `MONEL_LOCAL_SIZE`", false},
		{"PMI_RANK", number(0, mostRanks), "", "MPICH's `MONEL_RANK`", false},
		{"PMI_SIZE", number(1, mostRanks), "", "MPICH's `MONEL_SIZE`", false},
		{"MPI_LOCALRANKID", number(0, mostRanks), "", "MPICH's `MONEL_LOCAL_RANK`", false},
		{"MPI_LOCALNRANKS", number(1, mostRanks), "", "MPICH's `MONEL_LOCAL_SIZE`", false},
		{"SLURM_PROCID", number(0, mostRanks), "", "Slurm's `MONEL_RANK`, in a job step (`SLURM_STEP_ID` is set)", false},
		{"SLURM_STEP_NUM_TASKS", number(1, mostRanks), "`SLURM_NTASKS`, `SLURM_NPROCS`", "Slurm's `MONEL_SIZE`", false},
		{"SLURM_LOCALID", number(0, mostRanks), "", "Slurm's `MONEL_LOCAL_RANK`", false},
		{"SLURM_STEP_TASKS_PER_NODE", text("a list such as `4(x2),3`"), "not known", "with `SLURM_NODEID`, Slurm's `MONEL_LOCAL_SIZE`", false},
		{"MONEL_ID", text("the text of a unique id"), "the next", "where the ranks meet, and their secret", true},
		{"MONEL_ROOT", text("`host:port`"), "the next", "where rank 0 listens and the others find it", false},
		{"NCCL_COMM_ID", text("`host:port`"), "the next", "the same; and every `engine.NewUniqueID` then gives the same id, with which rank 0 listens there in `engine.Init`, so that no id is handed over", false},
		{"MASTER_ADDR", text("a host"), "the next", "the same, with `MASTER_PORT`, as torchrun sets them", false},
		{"MASTER_PORT", number(1, 65535), "an error if `MASTER_ADDR` is set",
			"the port; where `TORCHELASTIC_USE_AGENT_STORE` is `True`, torchrun's agent has it, and the next one counts", false},
		{"MONEL_PORT", number(1, 65535), "`MASTER_PORT`, or one made from Slurm's job number", "another port for `MASTER_ADDR` and for Slurm's first host", false},
		{"SLURM_STEP_NODELIST", text("Slurm's list of hosts"), "`SLURM_JOB_NODELIST`, `SLURM_NODELIST`; if all ranks are on one host, rank 0 leaves word there", "the first host is where rank 0 listens", false},
		{"MONEL_SECRET", text("any text that is hard to guess"), "Open MPI's key of the job, or a hash of what identifies the job, which others may know",
			"what only the ranks of this job know, which `NCCL_COMM_ID` needs without a launcher, too", true},
	},
}
