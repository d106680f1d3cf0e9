/* The table of subcommands. */
#include "cli.h"

#define LOADING                                                                                                        \
  {"--dim", "NAME=N", "fixes the size of a named dimension (may repeat)"}, {                                           \
    "--const", "NAME=FILE.npy", "binds an integer input of an ONNX model that decides a shape (may repeat)"            \
  }
#define ENGINE                                                                                                         \
  {"--engine", "NAME", "auto, llvm, tcc or interp"}, {                                                                 \
    "--cpu", "NAME",                                                                                                   \
        "instruction set to compile for: a name that 'quern isa' lists, such as avx2, x86-64-v3, neoverse-n1, native"  \
  }
#define FUNCTION                                                                                                       \
  { "--function", "NAME", "which public function; the first without" }
#define TUNING                                                                                                         \
  {                                                                                                                    \
    "--tuning", "FILE",                                                                                                \
        "use the constants and choices of a tuning file; auto for the one that bench wrote beside the code cache"      \
  }
#define END                                                                                                            \
  { NULL, NULL, NULL }

static const cli_option json[] = {{"--json", NULL, "as JSON"}, END};

static const cli_option opt_options[] = {
    {"-p", "PIPELINE", "passes to run: names with commas, options in braces: 'quantize{dynamic=true},dce'"},
    {"-o", "FILE", "where the result goes; standard output without"},
    {"--generic", NULL, "print MLIR's generic form, which mlir-opt reads"},
    {"--inline", NULL, "print all constants in the text, none as resources"},
    {"--hex", NULL, "print dense constants as hex strings"},
    {"--locations", NULL, "print locations"},
    {"--allow-unregistered", NULL, "keep ops that the table does not have"},
    {"--verify-each", NULL, "verify after each pass"},
    {"--check-each", NULL, "run before and after each pass on the interpreter; names the op whose result moved"},
    {"--check-data", "FILE.npz", "samples for --check-each; random ones without"},
    {"--min-sqnr", "DB", "how much --check-each lets quantizing passes move results (default 20)"},
    {"--print-ir-after-all", NULL,
     "print the program after each pass, to standard error; long constants are left out unless --inline"},
    {"--print-ir-after-change", NULL, "print it where it changed"},
    {"--time-passes", NULL, "how long each pass took, to standard error"},
    {"--stats", NULL, "what each pass counted, to standard error"},
    {"--reproducer", "FILE", "when a pass fails: the program before it and the passes left"},
    TUNING,
    LOADING,
    END};
static const cli_option import_options[] = {
    {"-o", "FILE", "where the program goes; standard output without"}, LOADING, END};
static const cli_option qparams_options[] = {
    {"--min", "A", "smallest value"},
    {"--max", "B", "largest value"},
    {"--type", "TYPE", "storage: i8, u8, i4, u4, i16, u16, .. (default i8)"},
    {"--scheme", "NAME", "asymmetric or symmetric (default asymmetric)"},
    {"--range", "NAME", "full or narrow; narrow is the default of signed symmetric types in weights, full here"},
    {"--qmin", "N", "smallest code"},
    {"--qmax", "N", "largest code"},
    {"--scale", "S", "use this scale instead of a range"},
    {"--zero-point", "Z", "with --scale: the zero point (default 0)"},
    {"--values", "X,Y,..", "values to quantize and restore"},
    {"--json", NULL, "as JSON"},
    END};
static const cli_option calibrate_options[] = {
    {"--data", "FILE.npz", "arrays named as the model's inputs, samples along the first axis"},
    {"--observer", "KIND", "minmax, moving-average, percentile, histogram-mse or kl (default minmax)"},
    {"--shard", "I/N", "use the samples whose number modulo N is I, from 0"},
    {"--merge", NULL, "merge the calibrated programs given into one"},
    {"-o", "FILE", "where the calibrated program goes"},
    ENGINE,
    LOADING,
    END};
static const cli_option quantize_options[] = {
    {"--data", "FILE.npz", "calibration samples; dynamic schemes need none"},
    {"--scheme", "NAME", "w8a8, w8a8-dynamic, .. ('quern schemes' lists them; default w8a8)"},
    {"--weights", "TYPE",
     "of weights, instead of the scheme's: i8, or with --granularity block=N also i4, ui4, nf4, mxfp4, nvfp4"},
    {"--activations", "TYPE", "storage of activations instead of the scheme's"},
    {"--granularity", "NAME", "auto, tensor, channel, group=G or block=N (default auto)"},
    {"--observer", "KIND", "minmax, moving-average, percentile, histogram-mse or kl (default minmax)"},
    {"--min-sqnr", "DB", "with --granularity auto: the error allowed to each weight (default 30)"},
    {"--report", "FILE",
     "what that did to size and accuracy, over the samples: a page, or JSON where FILE ends in .json"},
    {"-o", "FILE", "where the quantized program goes"},
    ENGINE,
    LOADING,
    END};
static const cli_option run_options[] = {
    {"--input", "NAME=FILE", "an input, from a .npy file (may repeat), or all from one .npz"},
    {"-o", "DIR", "folder for NAME.npy of each output (default: this one)"},
    {"--threads", "N", "threads to use (default 1)"},
    ENGINE,
    FUNCTION,
    TUNING,
    LOADING,
    END};
static const cli_option compare_options[] = {
    {"--data", "FILE.npz", "samples to run both programs on"},
    {"--per-op", NULL, "op by op, not outputs only"},
    {"--labels", "NAME", "array of class labels in the data: prints how often each is right"},
    {"--json", NULL, "as JSON"},
    ENGINE,
    TUNING,
    LOADING,
    END};
static const cli_option compile_options[] = {
    {"--emit", "KIND", "obj, so, asm, llvm or c"},
    {"-o", "FILE", "where the code goes"},
    {"--header", "FILE", "C header to write beside it"},
    {"--entry", "NAME", "name of the entry function (default quern_main)"},
    {"--save", NULL, "write a program file that 'quern run' loads, instead of --emit"},
    ENGINE,
    FUNCTION,
    TUNING,
    LOADING,
    END};
static const cli_option inspect_options[] = {
    {"--ops", NULL, "count ops"},
    {"--types", NULL, "count types"},
    {"--kernels", NULL, "for each kernel: tile, instruction set, fused parts, why it is slow"},
    {"--json", NULL, "all of it as JSON"},
    {"--html", "FILE", "all of it as a page, with a picture of the graph"},
    {"--svg", "FILE", "the graph as a picture"},
    {"--dot", "FILE", "the graph for graphviz"},
    ENGINE,
    FUNCTION,
    TUNING,
    LOADING,
    END};
static const cli_option bench_options[] = {
    {"--matmul", "MxNxK:TYPES",
     "a matrix product, no model: u8s8, s8s8 (requantized to u8), f32, or f32i4b32 (also u4, nf4, mxfp4, i8: a scale "
     "per 32 of k; an f behind: products of floats; f16 or bf16 in front of it: activations)"},
    {"--conv", "HxWxC:KHxKWxO:TYPES",
     "a convolution of one image: u8s8, u8s8f32, s8s8 or f32; sS, pP, dD, gG behind O for stride, padding, dilation, "
     "groups"},
    {"--peak", NULL, "what the instruction set reaches in registers, by each instruction that multiplies"},
    {"--kernels", NULL, "time, speed and share of each kernel"},
    {"--roofline", "FILE.svg", "draws every kernel under the limits of this machine"},
    {"--threads", "N", "threads to use (default 1)"},
    {"--seconds", "S", "how long to measure (default 1)"},
    {"--tune", NULL,
     "search better choices (tile, panel, unrolling, fetching, row blocks, parts) for the products, by measuring; what "
     "is "
     "surely faster is recorded in the tuning file, for these sizes"},
    {"--tune-file", "FILE", "the tuning file to add to; beside the code cache without"},
    {"--tune-seconds", "S", "how long to measure each choice at most (default 0.2)"},
    {"--machine", NULL, "measure the machine's constants, which the cost model uses, into the tuning file"},
    {"--json", NULL, "as JSON"},
    ENGINE,
    FUNCTION,
    TUNING,
    LOADING,
    END};

const cli_command cli_commands[] = {
    {"import", "IN.onnx -o OUT.mlir", "an ONNX model into the IR",
     "quern import model.onnx --dim batch=1 -o model.mlir", import_options, 1, 1, cmd_import},
    {"opt", "IN -p PIPELINE -o OUT", "run passes over a program",
     "quern opt model.mlir -p 'canonicalize,cse,dce' -o small.mlir", opt_options, 1, 1, cmd_opt},
    {"passes", "[--json]", "list the passes and their options", "quern passes", json, 0, 0, cmd_passes},
    {"ops", "[NAME] [--json]", "list the ops, or tell all about one", "quern ops quern.matmul", json, 0, 1, cmd_ops},
    {"types", "[--json]", "list the element types", "quern types", json, 0, 0, cmd_types},
    {"isa", "[--json]", "list the instruction sets, and which one this machine has", "quern isa", json, 0, 0, cmd_isa},
    {"schemes", "[--json]", "list the quantization schemes, and why others are refused", "quern schemes", json, 0, 0,
     cmd_schemes},
    {"diags", "[--json]", "list the diagnostic codes", "quern diags", json, 0, 0, cmd_diags},
    {"qparams", "--min A --max B --type T --scheme S", "scale and zero point by the formulas",
     "quern qparams --min=-4.75 --max=4.67 --type u8 --scheme asymmetric --values=-3.57", qparams_options, 0, 0,
     cmd_qparams},
    {"calibrate", "IN --data X.npz -o OUT | --merge A B .. -o OUT", "record the ranges of values",
     "quern calibrate model.onnx --data samples.npz -o calibrated.mlir", calibrate_options, 1, CLI_MAX_VALUES,
     cmd_calibrate},
    {"quantize", "IN --data X.npz --scheme NAME -o OUT", "float model in, quantized program out",
     "quern quantize model.onnx --data samples.npz --scheme w8a8 -o int8.mlir", quantize_options, 1, 1, cmd_quantize},
    {"run", "MODEL --input NAME=X.npy -o DIR", "run a program", "quern run model.onnx --input input=x.npy -o out",
     run_options, 1, 1, cmd_run},
    {"compare", "A B --data X.npz", "how far apart two programs are",
     "quern compare model.onnx int8.mlir --data test.npz", compare_options, 2, 2, cmd_compare},
    {"compile", "IN --emit KIND -o OUT", "code ahead of time: object, shared library, assembly, LLVM IR, C",
     "quern compile int8.mlir --dim batch=1 --emit c -o model.c", compile_options, 1, 1, cmd_compile},
    {"inspect", "IN", "what is in a program, and how its kernels run", "quern inspect int8.mlir --kernels",
     inspect_options, 1, 1, cmd_inspect},
    {"bench", "MODEL | --matmul MxNxK:u8s8 | --peak", "time, operations per second, fraction of the peak",
     "quern bench --matmul 384x768x768:u8s8", bench_options, 0, 1, cmd_bench},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL}};
