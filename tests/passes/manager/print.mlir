// RUN: quern opt %s -p 'cse, canonicalize{max_fold=100},dce' --print-ir-after-all 2>&1 >/dev/null | FileCheck %s --check-prefix=ALL
// RUN: quern opt %s -p 'cse,canonicalize,dce,canonicalize' --print-ir-after-change 2>&1 >/dev/null | FileCheck %s --check-prefix=CHANGE
// RUN: quern opt %s -p 'cse,canonicalize' --time-passes --stats 2>&1 >/dev/null | FileCheck %s --check-prefix=REPORT
// RUN: quern opt %s -p '' | FileCheck %s --check-prefix=NONE
// RUN: quern opt %s -p ' dce { } ' | FileCheck %s --check-prefix=NONE

// ALL:      // ---- after cse (1 of 3) ----
// ALL:      quern.neg
// ALL:      quern.neg
// ALL:      // ---- after canonicalize{max_fold=100} (2 of 3) ----
// ALL-NOT:  quern.neg
// ALL:      // ---- after dce (3 of 3) ----
// ALL-NOT:  quern.neg

// Only what changed the program is shown.
// CHANGE-NOT: after cse
// CHANGE:     // ---- after canonicalize (2 of 4) ----
// CHANGE:     return %x
// CHANGE-NOT: ---- after

// REPORT:      // ---- time ----
// REPORT-NEXT: //         ms      %  pass
// REPORT-NEXT: // {{ *[0-9.]+ +[0-9.]+}}  cse
// REPORT-NEXT: // {{ *[0-9.]+ +[0-9.]+}}  canonicalize
// REPORT-NEXT: // {{ *[0-9.]+}}  100.0  total
// REPORT-NEXT: // ---- statistics ----
// REPORT-NEXT: //          1  canonicalize: chains of unary ops
// REPORT-NEXT: //          1  canonicalize: dead ops erased

// NONE-COUNT-2: quern.neg
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = quern.neg %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = quern.neg %0 : (tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}
