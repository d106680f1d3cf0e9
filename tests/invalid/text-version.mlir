// RUN: not quern opt %s 2>&1 | FileCheck %s
// CHECK: error: the text says quern.version = 2; this library reads up to 1
module attributes {quern.version = 2} {
}
