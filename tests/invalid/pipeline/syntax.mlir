// RUN: not quern opt %s -p 'canonicalise' 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not quern opt %s -p 'cse, nothing-like-it' 2>&1 | FileCheck %s --check-prefix=FAR
// RUN: not quern opt %s -p 'cse,' 2>&1 | FileCheck %s --check-prefix=END
// RUN: not quern opt %s -p 'cse;dce' 2>&1 | FileCheck %s --check-prefix=SEPARATOR
// RUN: not quern opt %s -p 'cse{a=1}' 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not quern opt %s -p 'canonicalize{fold=1}' 2>&1 | FileCheck %s --check-prefix=OPTION
// RUN: not quern opt %s -p 'canonicalize{max_fold=1 max-fold=2}' 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not quern opt %s -p 'canonicalize{max_fold}' 2>&1 | FileCheck %s --check-prefix=VALUE
// RUN: not quern opt %s -p 'canonicalize{max_fold=}' 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not quern opt %s -p 'canonicalize{max_fold=99999999999999999999}' 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: not quern opt %s -p 'canonicalize{max_fold=1' 2>&1 | FileCheck %s --check-prefix=OPEN
// RUN: not quern opt %s -p 'insert-observers{kind="minmax}' 2>&1 | FileCheck %s --check-prefix=QUOTE
// RUN: not quern opt %s -p 'fold-qparams{requantize=f64}' 2>&1 | FileCheck %s --check-prefix=CHOICE
// RUN: not quern opt %s -p 'quantize{dynamic=maybe}' 2>&1 | FileCheck %s --check-prefix=BOOL

// NAME: pipeline:1:1: error: no pass is named 'canonicalise', did you mean 'canonicalize'; 'quern passes' lists them
// FAR: pipeline:1:6: error: no pass is named 'nothing-like-it'; 'quern passes' lists them
// END: pipeline:1:5: error: expected the name of a pass, found the end of the text
// SEPARATOR: pipeline:1:4: error: expected ',' and another pass, or '{' and options, found ';'
// NONE: pipeline:1:5: error: pass 'cse' has no option 'a': it has none
// OPTION: pipeline:1:14: error: pass 'canonicalize' has no option 'fold', but: max_fold
// TWICE: pipeline:1:25: error: option 'max-fold' is given twice
// VALUE: pipeline:1:14: error: option 'max_fold' needs a value: write max_fold=.., where .. is an integer of 64 bits
// EMPTY: pipeline:1:23: error: expected a value after '=', found '}'
// RANGE: pipeline:1:23: error: option 'max_fold' is '99999999999999999999', expected an integer of 64 bits
// OPEN: pipeline:1:13: error: expected a '}' that ends the options begun here
// QUOTE: pipeline:1:23: error: expected a '"' that ends the value begun here
// CHOICE: pipeline:1:25: error: option 'requantize' is 'f64', expected f32|fixed|single
// BOOL: pipeline:1:18: error: option 'dynamic' is 'maybe', expected true or false
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
