package cudasim

// Kernels is a module of small kernels for tests of what launches them. Only the
// simulated driver can load it.
//
//	monel_sim_add(u64 out, u64 a, u32 b, u64 n)      out[i] = a[i] + b, of 32 bits each
//	monel_sim_poke(u64 at, s64 offset, u8 value)     writes a byte at an offset from a pointer
//	monel_sim_nap(u64 us)                            takes that many microseconds
//	monel_sim_spin(u64 word, u32 value)              runs until the word holds the value
//	monel_sim_echo(u64 out, 72 bytes)                writes its second parameter to out
const Kernels = `.version 7.0
.target sm_75
.address_size 64
.visible .entry monel_sim_add(.param .u64 out, .param .u64 a, .param .u32 b, .param .u64 n) { ret; }
.visible .entry monel_sim_poke(.param .u64 at, .param .s64 offset, .param .u8 value) { ret; }
.visible .entry monel_sim_nap(.param .u64 us) { ret; }
.visible .entry monel_sim_spin(.param .u64 word, .param .u32 value) { ret; }
.visible .entry monel_sim_echo(.param .u64 out, .param .align 8 .b8 block[72]) { ret; }
`
