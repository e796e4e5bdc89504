//go:build cgo && linux

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionCode(t *testing.T) {
	for text, want := range map[string]int{
		"2.32.3": 23203, "2.19.3": 21903, "2.9.6": 20906, "2.8.4": 2804, "2.7": 2700, "21903": 21903, "2708": 2708,
		"": -1, "new": -1, "2.x.1": -1, "1.2.3.4": -1, "-1": -1, "2..1": -1, "99999999": -1,
	} {
		code, ok := versionCode(text)
		if want < 0 {
			require.False(t, ok, text)
			continue
		}
		require.True(t, ok, text)
		require.Equal(t, want, code, text)
	}
}
