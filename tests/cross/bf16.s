# vdpbf16ps put together from other instructions, for machines that lack it: pairs of bf16, the odd product added first,
# each step rounded. All registers may be in use: values wait below the stack, and only the sums' register changes.
.macro vdpbf16ps b, a, sums
  vmovups \sums, -192(%rsp)
  vmovups \a, -256(%rsp)
  vpslld $16, \b, \sums
  vmovups \sums, -320(%rsp)
  vpsrld $16, \b, \sums
  vpslld $16, \sums, \sums
  vmovups \sums, -384(%rsp)
  vpsrld $16, -256(%rsp), \sums
  vpslld $16, \sums, \sums
  vmulps -384(%rsp), \sums, \sums
  vaddps -192(%rsp), \sums, \sums
  vmovups \sums, -192(%rsp)
  vpslld $16, -256(%rsp), \sums
  vmulps -320(%rsp), \sums, \sums
  vaddps -192(%rsp), \sums, \sums
.endm
