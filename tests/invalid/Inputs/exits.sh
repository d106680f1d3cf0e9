# Calls, each followed by its exit code. $1: the folder for files.
call() {
  quern "$@" 2>&1 </dev/null
  echo "exit $?: quern $*"
}
call
call nothing
call help nothing
call opt
call opt a.mlir b.mlir
call opt "$1/none.mlir" -p cse
call opt "$1/none.mlir" --nothing
call opt "$1/none.mlir" -p
call opt "$1/none.mlir" --inline=yes
call run "$1/none.mlir" --engine fast
call run "$1/none.mlir" --cpu m68k
call run "$1/none.mlir" --cpu avx22
call run "$1/none.mlir" --threads 0
call run "$1/none.mlir" -o -
call import "$1/none.onnx" --dim batch
call import "$1/none.onnx" --dim batch=-1
call import "$1/none.onnx" --dim batch=99999999999999999999
call import "$1/none.onnx" --const shape
call calibrate "$1/none.onnx" --data x.npz --observer best
call calibrate "$1/none.onnx" --data x.npz -o "$1/x.mlir" --shard 3/2
call quantize "$1/none.onnx" --scheme w1a1
call quantize "$1/none.onnx" -o "$1/x.mlir" --min-sqnr high
call compile "$1/none.mlir" --emit wasm -o x
call compile "$1/none.mlir" --emit c
call compile "$1/none.mlir" -o x
call compare a b
call bench
call bench --matmul 3x4
call bench --matmul 3x4x5:i9
call qparams --type f32 --min 0 --max 1
call qparams --min 0
call ops quern.nothing
call qparams --min 1 --max nan
call inspect "$1/none.mlir"
