// RUN: not quern opt %s 2>&1 | FileCheck %s

func.func @f() {
  // CHECK: text-characters.mlir:[[@LINE+1]]:3: error: expected an op such as quern.add or "quern.add", found ';'
  ;
  // CHECK: text-characters.mlir:[[@LINE+1]]:3: error: expected an op such as quern.add or "quern.add", found the byte 0xC3, which no token begins with
  ä
  // CHECK: text-characters.mlir:[[@LINE+1]]:3: error: expected an op such as quern.add or "quern.add", found a string that does not end on its line: "open
  "open
  // CHECK: text-characters.mlir:[[@LINE+1]]:24: error: an escape in this string is not one of \" \\ \n \t or two hexadecimal digits
  return {quern.text = "\q"}
}
