package cudaffi

import (
	"fmt"
	"unsafe"
)

// Device is a GPU.
type Device struct {
	Ordinal    int // its number in this process
	Name       string
	Capability Capability
	Memory     int64  // bytes
	PCIBusID   string // domain:bus:device.function, as in sysfs
	UUID       UUID

	d      *Driver
	handle int32
}

// Capability is a compute capability: what a generation of GPUs can do.
type Capability struct{ Major, Minor int }

// String is like 9.0.
func (c Capability) String() string { return fmt.Sprintf("%d.%d", c.Major, c.Minor) }

// UUID identifies a GPU, on all machines and for all processes.
type UUID [16]byte

// String is like nvidia-smi prints it.
func (u UUID) String() string {
	return fmt.Sprintf("GPU-%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// Attribute numbers a property of a device: a CUdevice_attribute of cuda.h, any
// of which may be asked for.
type Attribute int32

// Attributes that matter here.
const (
	AttributeMultiprocessors          Attribute = 16
	AttributeIntegrated               Attribute = 18
	AttributeThreadsPerMultiprocessor Attribute = 39
	AttributeCopyEngines              Attribute = 40
	AttributeUnifiedAddressing        Attribute = 41
	AttributeHostRegister             Attribute = 99
	AttributeDMABuf                   Attribute = 124
	attributeMajor                    Attribute = 75
	attributeMinor                    Attribute = 76
	attributeStreamValuesV1           Attribute = 92
	attributeStreamValues64           Attribute = 122
)

// Device describes a device, whose ordinal is less than DeviceCount.
func (d *Driver) Device(ordinal int) (Device, error) {
	device := Device{Ordinal: ordinal, d: d}
	var handle, name, memory, bus, id = new(int32), new([256]byte), new(uintptr), new([32]byte), new(UUID)
	calls := []struct {
		s symbol
		r func() Result
	}{
		{cuDeviceGet, func() Result { return d.call(cuDeviceGet, uintptr(unsafe.Pointer(handle)), uintptr(ordinal)) }},
		{cuDeviceGetName, func() Result {
			return d.call(cuDeviceGetName, uintptr(unsafe.Pointer(name)), uintptr(len(name)), uintptr(*handle))
		}},
		{cuDeviceTotalMem, func() Result { return d.call(cuDeviceTotalMem, uintptr(unsafe.Pointer(memory)), uintptr(*handle)) }},
		{cuDeviceGetPCIBusId, func() Result {
			return d.call(cuDeviceGetPCIBusId, uintptr(unsafe.Pointer(bus)), uintptr(len(bus)), uintptr(*handle))
		}},
		{cuDeviceGetUuid, func() Result { return d.call(cuDeviceGetUuid, uintptr(unsafe.Pointer(id)), uintptr(*handle)) }},
	}
	for _, call := range calls {
		if err := d.check(call.s, call.r()); err != nil {
			return Device{}, fmt.Errorf("device %d of %d: %w", ordinal, d.devices, err)
		}
	}
	device.handle, device.Memory, device.UUID = *handle, int64(*memory), *id
	device.Name, device.PCIBusID = goString(unsafe.Pointer(name)), goString(unsafe.Pointer(bus))
	var err error
	if device.Capability.Major, err = device.Attribute(attributeMajor); err != nil {
		return Device{}, err
	}
	if device.Capability.Minor, err = device.Attribute(attributeMinor); err != nil {
		return Device{}, err
	}
	return device, nil
}

// Attribute returns the value of an attribute. What an older driver has not
// heard of is an error that wraps ErrInvalidValue.
func (device Device) Attribute(a Attribute) (int, error) {
	value := new(int32)
	r := device.d.call(cuDeviceGetAttribute, uintptr(unsafe.Pointer(value)), uintptr(a), uintptr(device.handle))
	return int(*value), device.d.check(cuDeviceGetAttribute, r)
}
