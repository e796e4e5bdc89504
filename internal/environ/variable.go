package environ

// Variable is one environment variable.
type Variable struct {
	Name    string
	Values  Values
	Default string // what is done without it, in words
	Meaning string
	Secret  bool // its value is shown to nobody
}

// Group is a part of the table.
type Group struct {
	Title string
	Intro string
	// Files says that the variables may stand in a configuration file, too. It is not
	// so where a launcher sets them for one process.
	Files     bool
	Variables []Variable
}

// Groups is the table.
func Groups() []Group {
	return []Group{launched, logging, network, algorithms, observation, machine, rdma, accepted}
}

// entry is a variable and its group.
type entry struct {
	*Variable
	files bool
}

var table = index(Groups())

func index(groups []Group) map[string]entry {
	all := make(map[string]entry)
	for _, g := range groups {
		for i := range g.Variables {
			v := &g.Variables[i]
			if _, twice := all[v.Name]; twice {
				panic("environ: " + v.Name + " is in the table twice")
			}
			all[v.Name] = entry{v, g.Files}
		}
	}
	return all
}

// Known reports whether the table has a variable of that name.
func Known(name string) bool {
	_, ok := table[name]
	return ok
}
