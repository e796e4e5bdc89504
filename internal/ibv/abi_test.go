package ibv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// layouts are the structures of this package, with what C calls them and their
// fields. A field that is not listed is not used.
var layouts = []struct {
	c      string
	goType any
	fields string // pairs: the field here, and there
}{
	{"ibv_sge", sge{}, "addr addr length length lkey lkey"},
	{"ibv_send_wr", sendWR{}, "id wr_id next next list sg_list entries num_sge opcode opcode flags send_flags imm imm_data remoteAddr wr.rdma.remote_addr rkey wr.rdma.rkey"},
	{"ibv_recv_wr", recvWR{}, "id wr_id next next list sg_list entries num_sge"},
	{"ibv_wc", WC{}, "ID wr_id Status status Opcode opcode VendorErr vendor_err ByteLen byte_len imm imm_data QPNum qp_num SrcQP src_qp flags wc_flags pkeyIndex pkey_index slid slid sl sl pathBits dlid_path_bits"},
	{"ibv_port_attr", portAttr{}, "state state activeMTU active_mtu lid lid linkLayer link_layer"},
	{"ibv_qp_cap", qpCap{}, "maxSendWR max_send_wr maxRecvWR max_recv_wr maxSendSGE max_send_sge maxRecvSGE max_recv_sge maxInline max_inline_data"},
	{"ibv_qp_init_attr", qpInitAttr{}, "sendCQ send_cq recvCQ recv_cq cap cap qpType qp_type"},
	{"ibv_global_route", globalRoute{}, "dgid dgid sgidIndex sgid_index hopLimit hop_limit trafficClass traffic_class"},
	{"ibv_ah_attr", ahAttr{}, "grh grh dlid dlid sl sl isGlobal is_global portNum port_num"},
	{"ibv_qp_attr", qpAttr{}, "state qp_state pathMTU path_mtu rqPSN rq_psn sqPSN sq_psn destQPNum dest_qp_num access qp_access_flags ah ah_attr maxRdAtomic max_rd_atomic maxDestRdAtomic max_dest_rd_atomic minRNRTimer min_rnr_timer portNum port_num timeout timeout retryCnt retry_cnt rnrRetry rnr_retry"},
	{"ibv_async_event", asyncEvent{}, "element element kind event_type"},
}

// numbers are this package's numbers, and C's expressions for them.
var numbers = []struct {
	value uint64
	c     string
}{
	{contextPollCQ, "offsetof(struct ibv_context, ops.poll_cq)"}, {contextReqNotifyCQ, "offsetof(struct ibv_context, ops.req_notify_cq)"},
	{contextPostSend, "offsetof(struct ibv_context, ops.post_send)"}, {contextPostRecv, "offsetof(struct ibv_context, ops.post_recv)"},
	{contextAsyncFD, "offsetof(struct ibv_context, async_fd)"}, {channelFD, "offsetof(struct ibv_comp_channel, fd)"},
	{qpNumber, "offsetof(struct ibv_qp, qp_num)"}, {mrLKey, "offsetof(struct ibv_mr, lkey)"}, {mrRKey, "offsetof(struct ibv_mr, rkey)"},
	{deviceMaxQPWR, "offsetof(struct ibv_device_attr, max_qp_wr)"}, {deviceMaxSGE, "offsetof(struct ibv_device_attr, max_sge)"},
	{deviceAttrSize, "sizeof(struct ibv_device_attr)"},
	{accessLocalWrite, "IBV_ACCESS_LOCAL_WRITE"}, {accessRemoteWrite, "IBV_ACCESS_REMOTE_WRITE"}, {qpTypeRC, "IBV_QPT_RC"},
	{stateReset, "IBV_QPS_RESET"}, {stateInit, "IBV_QPS_INIT"}, {stateRTR, "IBV_QPS_RTR"}, {stateRTS, "IBV_QPS_RTS"}, {stateErr, "IBV_QPS_ERR"},
	{attrState, "IBV_QP_STATE"}, {attrAccessFlags, "IBV_QP_ACCESS_FLAGS"}, {attrPKeyIndex, "IBV_QP_PKEY_INDEX"}, {attrPort, "IBV_QP_PORT"},
	{attrAV, "IBV_QP_AV"}, {attrPathMTU, "IBV_QP_PATH_MTU"}, {attrTimeout, "IBV_QP_TIMEOUT"}, {attrRetryCnt, "IBV_QP_RETRY_CNT"},
	{attrRNRRetry, "IBV_QP_RNR_RETRY"}, {attrRQPSN, "IBV_QP_RQ_PSN"}, {attrMaxQPRdAtomic, "IBV_QP_MAX_QP_RD_ATOMIC"},
	{attrMinRNRTimer, "IBV_QP_MIN_RNR_TIMER"}, {attrSQPSN, "IBV_QP_SQ_PSN"}, {attrMaxDestRdAtomic, "IBV_QP_MAX_DEST_RD_ATOMIC"},
	{attrDestQPN, "IBV_QP_DEST_QPN"}, {opRDMAWrite, "IBV_WR_RDMA_WRITE"}, {opRDMAWriteWithImm, "IBV_WR_RDMA_WRITE_WITH_IMM"}, {opSendWithImm, "IBV_WR_SEND_WITH_IMM"},
	{sendSignaled, "IBV_SEND_SIGNALED"}, {sendInline, "IBV_SEND_INLINE"}, {wcWithImm, "IBV_WC_WITH_IMM"}, {portActive, "IBV_PORT_ACTIVE"},
	{linkInfiniBand, "IBV_LINK_LAYER_INFINIBAND"}, {linkEthernet, "IBV_LINK_LAYER_ETHERNET"},
	{uint64(OpSend), "IBV_WC_SEND"}, {uint64(OpRDMAWrite), "IBV_WC_RDMA_WRITE"}, {uint64(OpRecv), "IBV_WC_RECV"}, {uint64(OpRecvWriteImm), "IBV_WC_RECV_RDMA_WITH_IMM"},
	{uint64(FlushError), "IBV_WC_WR_FLUSH_ERR"}, {uint64(RemoteAccessError), "IBV_WC_REM_ACCESS_ERR"}, {uint64(RetryExceededError), "IBV_WC_RETRY_EXC_ERR"},
	{uint64(RNRRetryExceededError), "IBV_WC_RNR_RETRY_EXC_ERR"}, {uint64(GeneralError), "IBV_WC_GENERAL_ERR"}, {uint64(TagMatchingIncomplete), "IBV_WC_TM_RNDV_INCOMPLETE"},
	{uint64(EventCQError), "IBV_EVENT_CQ_ERR"}, {uint64(EventQPFatal), "IBV_EVENT_QP_FATAL"}, {uint64(EventDeviceFatal), "IBV_EVENT_DEVICE_FATAL"},
	{uint64(EventPortActive), "IBV_EVENT_PORT_ACTIVE"}, {uint64(EventPortError), "IBV_EVENT_PORT_ERR"}, {uint64(EventWQFatal), "IBV_EVENT_WQ_FATAL"},
}

// TestABI has a C compiler compare every offset, size and number with those of
// verbs.h. MONEL_IBVERBS_INCLUDE names the folder that has infiniband/verbs.h,
// if it is not among the compiler's own.
func TestABI(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the structures are those of 64-bit systems")
	}
	dir := t.TempDir()
	var c strings.Builder
	c.WriteString("#include <stddef.h>\n#include <infiniband/verbs.h>\n")
	check := func(value uint64, expression string) {
		fmt.Fprintf(&c, "_Static_assert((%s) == %d, %q);\n", expression, value, expression)
	}
	for _, l := range layouts {
		typ := reflect.TypeOf(l.goType)
		check(uint64(typ.Size()), "sizeof(struct "+l.c+")")
		names := strings.Fields(l.fields)
		for i := 0; i < len(names); i += 2 {
			field, ok := typ.FieldByName(names[i])
			require.True(t, ok, names[i])
			check(uint64(field.Offset), fmt.Sprintf("offsetof(struct %s, %s)", l.c, names[i+1]))
			if size := field.Type.Size(); size <= 8 && field.Type.Kind() != reflect.Struct {
				check(uint64(size), fmt.Sprintf("sizeof(((struct %s *)0)->%s)", l.c, names[i+1]))
			}
		}
		require.Equal(t, strings.Count(l.fields, " ")/2+1, named(typ), "%s has fields that are not compared", typ)
	}
	for _, n := range numbers {
		check(n.value, n.c)
	}
	source := filepath.Join(dir, "abi.c")
	require.NoError(t, os.WriteFile(source, []byte(c.String()), 0o600))
	args := []string{"-fsyntax-only", "-Werror", source}
	if include := os.Getenv("MONEL_IBVERBS_INCLUDE"); include != "" {
		args = append(args, "-I", include)
	}
	out, err := exec.Command("cc", args...).CombinedOutput()
	missing := err != nil && (strings.Contains(string(out), "verbs.h: No such file") || len(out) == 0)
	if missing && os.Getenv("CI") == "" {
		t.Skipf("there is no C compiler, or no infiniband/verbs.h (libibverbs-dev): %v", err)
	}
	require.NoError(t, err, string(out))
}

// named counts the fields that have names.
func named(typ reflect.Type) int {
	n := 0
	for i := range typ.NumField() {
		if typ.Field(i).Name != "_" {
			n++
		}
	}
	return n
}

func TestNamesOfSymbols(t *testing.T) {
	for s, name := range symbolNames {
		require.NotEmpty(t, name, "symbol %d", s)
	}
}

func TestStatusAndEventTexts(t *testing.T) {
	require.Equal(t, "transport retry counter exceeded", RetryExceededError.String())
	require.Equal(t, "tag matching incomplete", TagMatchingIncomplete.String())
	require.Equal(t, "status 99", Status(99).String())
	require.Equal(t, "port down", EventPortError.String())
	require.Equal(t, "work queue failed", EventWQFatal.String())
	require.Equal(t, "event 99", EventType(99).String())
}
