package kernel

import (
	"os"
	"slices"
	"testing"
)

// forEachTier runs a test on every set of kernels that this machine can execute.
func forEachTier(t *testing.T, f func(t *testing.T)) {
	onEachTier(t, func() { t.Run(Active().String(), f) })
}

func onEachTier(t *testing.T, f func()) {
	t.Helper()
	was := Active()
	defer func() { active = was }()
	for _, tier := range Supported() {
		if err := Use(tier); err != nil {
			t.Fatal(err)
		}
		f()
	}
}

// TestTierChoice fails when the environment asks for a tier and does not get it,
// so that a run that is meant to test one does not quietly test another.
func TestTierChoice(t *testing.T) {
	t.Logf("supported: %v, active: %v", Supported(), Active())
	if want := os.Getenv(TierVariable); want != "" && Active().String() != want {
		t.Errorf("%s=%s, but the tier in use is %v of %v", TierVariable, want, Active(), Supported())
	}
	for _, tier := range Supported() {
		if got := startTier(tier.String()); got != tier {
			t.Errorf("startTier(%q) = %v", tier, got)
		}
	}
	best := Supported()[len(Supported())-1]
	if got := startTier("no such tier"); got != best {
		t.Errorf("an unknown name chooses %v, want %v", got, best)
	}
	for _, tier := range []Tier{Scalar, AVX2, AVX512, NEON, NEON + 1} {
		if !slices.Contains(Supported(), tier) && Use(tier) == nil {
			t.Errorf("Use(%v) succeeded without support", tier)
		}
	}
}
