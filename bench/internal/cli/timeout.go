package cli

import (
	"fmt"
	"strconv"
	"time"
)

// timeoutValue is a duration, or a bare number of seconds as nccl-tests has it.
type timeoutValue time.Duration

func (t *timeoutValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if seconds, numErr := strconv.ParseUint(s, 10, 31); numErr == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a time: want a duration such as 30s or 2m, or seconds", s)
	}
	*t = timeoutValue(d)
	return nil
}

func (t *timeoutValue) String() string {
	if *t == 0 {
		return ""
	}
	return time.Duration(*t).String()
}

func (*timeoutValue) Type() string { return "time" }
