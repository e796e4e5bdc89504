package environ

import (
	"fmt"
	"strings"
)

// Page is the table as a page in Markdown.
func Page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, g := range Groups() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| variable | values | without it | meaning |\n|---|---|---|---|\n", g.Title, g.Intro)
		for i := range g.Variables {
			v := &g.Variables[i]
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.Name, v.Values, v.Default, v.Meaning)
		}
	}
	return b.String()
}

const pageHead = `<!-- Made by go generate from internal/environ. Change it there. -->

# Environment variables

` + "`engine.FromEnv`" + ` reads these variables into an ` + "`engine.Config`" + `, which the caller may
change before ` + "`engine.Init`" + `. Programs that fill in a Config themselves are not affected
by them, apart from those under *This machine*, and ` + "`engine.NewUniqueID`" + `, which reads
where ranks are to meet. Names that begin with NCCL are NCCL's, with its syntax; a value that
it would take has the same meaning here, or the table says what is different.

A value that cannot be read has no effect, and is reported once, as a warning; of a list, the
rest counts. With ` + "`NCCL_DEBUG=INFO`" + `, every variable that is set is reported, too, and which of
NCCL's are not known here. Spaces around a value do not count.

Except where launchers set them, variables may stand in a configuration file, as
` + "`NAME=VALUE`" + ` lines; lines that begin with ` + "`#`" + ` are comments. The environment goes first,
then the file that ` + "`NCCL_CONF_FILE`" + ` names or, without that, ` + "`~/.nccl.conf`" + `, then
` + "`/etc/nccl.conf`" + `.
`
