package cli

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseDoctor(t *testing.T) {
	for _, test := range []struct {
		args []string
		json string
	}{
		{nil, ""},
		{[]string{"--json"}, "-"},
		{[]string{"--json", "-"}, "-"},
		{[]string{"--json", "found.json"}, "found.json"},
		{[]string{"--json=found.json"}, "found.json"},
	} {
		c, err := ParseDoctor(test.args)
		require.NoError(t, err)
		require.Equal(t, test.json, c.JSON, "%q", test.args)
	}
	_, err := ParseDoctor([]string{"all_reduce"})
	require.ErrorContains(t, err, `unexpected argument "all_reduce"`)
	_, err = ParseDoctor([]string{"--wat"})
	require.ErrorContains(t, err, "--wat")
	_, err = ParseDoctor([]string{"--help"})
	require.ErrorIs(t, err, ErrHelp)
	require.Contains(t, DoctorUsage(), "--json FILE")
}
