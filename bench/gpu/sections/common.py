"""Tensors of known values in many layouts, and what they have to be afterwards."""

import torch

POISON = 77
SHAPE = (6, 5, 4, 8)
TYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int32, torch.int64, torch.uint8]


def device(rank):
    """A rank's GPU; ranks share them if there are fewer."""
    d = torch.device("cuda", rank % torch.cuda.device_count())
    torch.cuda.set_device(d)
    return d


def given(rank, shape=SHAPE, salt=0):
    """A rank's values in float64 on the host: 1 to 4, so that every type holds all sums."""
    n = torch.Size(shape).numel()
    return ((torch.arange(n) * 5 + rank * 7 + salt * 3) % 4 + 1).reshape(shape).double()


def total(size, shape=SHAPE, salt=0):
    """The sum over all ranks, in float64."""
    return sum(given(r, shape, salt) for r in range(size))


def layouts(dtype, where, shape=SHAPE):
    """Tensors of a shape that lie differently in memory, with the memory around them."""
    a, b, c, d = shape

    def full(*sizes):
        return torch.full(sizes, POISON, dtype=dtype, device=where)

    yield "contiguous", full(a, b, c, d), None
    yield "transposed", full(d, c, b, a).permute(3, 2, 1, 0), None
    yield "channels_last", full(a, c, d, b).permute(0, 3, 1, 2), None
    whole = full(a + 2, b + 3, c + 1, d + 2)
    yield "sliced", whole[1 : a + 1, 2 : b + 2, :c, 1 : d + 1], whole
    whole = full(2 * a, b, c, 3 * d)
    yield "stepped", whole[::2, :, :, ::3], whole


def must_be(x, want, what=""):
    """x has exactly these values."""
    got = x.detach().double().cpu()
    bad = got != want
    wrong = int(bad.sum())
    if wrong:
        pairs = list(zip(got[bad].tolist(), want.expand_as(got)[bad].tolist()))[:4]
        raise AssertionError(f"{what}: {wrong} of {want.numel()} elements are wrong; got, wanted: {pairs}")


def must_be_clean(x, whole, what=""):
    """Nothing was written between x's elements."""
    if whole is not None:
        x.fill_(POISON)
        assert bool((whole == POISON).all()), f"{what}: memory between the elements was written"


class Load:
    """Work for a stream that lasts long enough for mistakes in its order to show."""

    def __init__(self, where, n=3072):
        self.a = torch.randn(n, n, device=where).half()
        self.b = self.a / n
        self.out = torch.empty_like(self.a)

    def __call__(self, times=4):
        for _ in range(times):
            torch.matmul(self.a, self.b, out=self.out)
