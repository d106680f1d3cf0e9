// RUN: not quern opt %s -p 'choose-granularity{granularity="group=4"}' 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not quern opt %s -p 'choose-granularity{granularity=fine}' 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not quern opt %s -p 'choose-granularity{weights=f8E4M3FN}' 2>&1 | FileCheck %s --check-prefix=TYPE

// GROUP: error: choose-granularity: granularity 'group=4' is refused: no kernel reads scales of groups of columns
// NAME:  error: choose-granularity: there is no granularity 'fine'
// TYPE:  error: choose-granularity: weights is 'f8E4M3FN', expected an integer of 2 to 16 bits
func.func @main(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
  return %x : tensor<2x2xf32>
}
