/* quern bench --conv: one convolution, told by its shape. */
#ifndef QUERN_TOOLS_BENCH_CONV_H
#define QUERN_TOOLS_BENCH_CONV_H
#include "cli.h"

/* "HxWxC:KHxKWxO[sS][pP][dD][gG]:TYPES" into the description, else a message and CLI_USAGE. */
int bench_parse_conv(const cli *c, const char *text, qn_conv_desc *d);
/* With weights, scales and a bias of its own. */
qn_status bench_build_conv(qn_context *ctx, qn_conv_desc *d, const qn_compile_options *options, qn_program **out);
#endif
