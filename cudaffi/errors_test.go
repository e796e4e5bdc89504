package cudaffi

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestErrorsWrapTheirClass(t *testing.T) {
	for _, test := range []struct {
		code   Result
		class  error
		sticky bool
	}{
		{invalidValue, ErrInvalidValue, false},
		{invalidDevice, ErrInvalidValue, false},
		{outOfMemory, ErrOutOfMemory, false},
		{stubLibrary, ErrNoCUDA, false},
		{noDevice, ErrNoDevice, false},
		{deinitialized, ErrInvalidContext, false},
		{contextDestroyed, ErrInvalidContext, false},
		{invalidHandle, ErrInvalidHandle, false},
		{notFound, ErrNotFound, false},
		{invalidPTX, ErrInvalidPTX, false},
		{unsupportedPTX, ErrOldDriver, false},
		{driverMismatch, ErrOldDriver, false},
		{notSupported, ErrUnsupported, false},
		{captureWrongThread, ErrCapture, false},
		{illegalAddress, ErrIllegalAddress, true},
		{launchFailed, nil, true},
		{eccUncorrectable, nil, true},
		{unknownError, nil, false},
	} {
		err := error(&Error{Call: "cuCall", Code: test.code})
		all := []error{ErrNoCUDA, ErrNoDevice, ErrOldDriver, ErrInvalidValue, ErrOutOfMemory, ErrInvalidContext,
			ErrInvalidHandle, ErrNotFound, ErrInvalidPTX, ErrUnsupported, ErrCapture, ErrIllegalAddress}
		for _, class := range all {
			assert.Equal(t, class == test.class, errors.Is(err, class), "%d: %v", test.code, class)
		}
		assert.Equal(t, test.sticky, errors.Is(err, ErrSticky), "%d", test.code)
	}
}

func TestErrorSaysAllThatIsKnown(t *testing.T) {
	err := &Error{Call: "cuModuleLoadDataEx", Code: unsupportedPTX, Name: "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
		Text: "the provided PTX was compiled with an unsupported toolchain.", Detail: "ptxas: line 1"}
	require.EqualError(t, err, "cudaffi: cuModuleLoadDataEx: the provided PTX was compiled with an unsupported toolchain. "+
		"(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222): ptxas: line 1: "+hints[unsupportedPTX])
	require.EqualError(t, &Error{Call: "cuInit", Code: 7, Name: "N", Text: "text"}, "cudaffi: cuInit: text (N, 7)")
}
