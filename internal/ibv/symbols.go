package ibv

// symbol is a function of the library.
type symbol int

const (
	ibvGetDeviceList symbol = iota
	ibvFreeDeviceList
	ibvGetDeviceName
	ibvOpenDevice
	ibvCloseDevice
	ibvQueryDevice
	ibvQueryPort
	ibvAllocPD
	ibvDeallocPD
	ibvRegMR
	ibvDeregMR
	ibvRegDMABufMR
	ibvForkInit
	ibvCreateCompChannel
	ibvDestroyCompChannel
	ibvCreateCQ
	ibvDestroyCQ
	ibvGetCQEvent
	ibvAckCQEvents
	ibvCreateQP
	ibvModifyQP
	ibvDestroyQP
	ibvGetAsyncEvent
	ibvAckAsyncEvent
	errnoLocation
	symbolCount
)

// optional are functions that older versions of the library lack.
var optional = map[symbol]bool{ibvRegDMABufMR: true, ibvForkInit: true}

var symbolNames = [symbolCount]string{
	"ibv_get_device_list", "ibv_free_device_list", "ibv_get_device_name", "ibv_open_device", "ibv_close_device",
	"ibv_query_device", "ibv_query_port", "ibv_alloc_pd", "ibv_dealloc_pd", "ibv_reg_mr", "ibv_dereg_mr",
	"ibv_reg_dmabuf_mr", "ibv_fork_init",
	"ibv_create_comp_channel", "ibv_destroy_comp_channel", "ibv_create_cq", "ibv_destroy_cq", "ibv_get_cq_event",
	"ibv_ack_cq_events", "ibv_create_qp", "ibv_modify_qp", "ibv_destroy_qp", "ibv_get_async_event", "ibv_ack_async_event",
	"__errno_location",
}
