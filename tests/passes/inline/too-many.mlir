// Each of forty functions calls the one before it twice: 2^40 times the first. Whatever runs or rewrites that says so at
// the call where it is met, at once; reading, printing and passes that leave calls alone go on.
// RUN: not quern run %s --engine interp -o %t 2>&1 | FileCheck %s
// RUN: not quern opt %s -p inline -o %t.mlir 2>&1 | FileCheck %s
// RUN: not quern opt %s -p canonicalize --check-each -o %t.mlir 2>&1 | FileCheck %s
// RUN: %if tcc %{ not quern compile %s --emit c -o %t.c 2>&1 | FileCheck %s %}
// RUN: %if llvm %{ not quern inspect %s --kernels 2>&1 | FileCheck %s %}
// RUN: quern opt %s -p canonicalize,cse,dce,infer-shapes | quern opt - -o %t.mlir
// CHECK: too-many.mlir:[[@LINE+87]]:{{[0-9]+}}: error: func.call: calls multiply at every level: replaced by what they name they are more than 1048576 ops
func.func private @f0(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = quern.add %x, %x : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
func.func private @f1(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f0(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f0(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f2(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f1(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f1(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f3(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f2(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f2(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f4(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f3(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f3(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f5(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f4(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f4(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f6(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f5(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f5(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f7(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f6(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f6(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f8(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f7(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f7(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f9(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f8(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f8(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f10(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f9(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f9(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f11(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f10(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f10(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f12(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f11(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f11(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f13(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f12(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f12(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f14(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f13(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f13(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f15(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f14(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f14(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f16(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f15(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f15(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f17(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f16(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f16(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f18(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f17(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f17(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f19(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f18(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f18(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f20(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f19(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f19(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f21(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f20(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f20(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f22(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f21(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f21(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f23(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f22(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f22(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f24(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f23(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f23(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f25(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f24(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f24(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f26(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f25(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f25(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f27(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f26(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f26(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f28(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f27(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f27(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f29(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f28(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f28(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f30(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f29(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f29(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f31(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f30(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f30(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f32(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f31(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f31(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f33(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f32(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f32(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f34(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f33(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f33(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f35(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f34(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f34(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f36(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f35(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f35(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f37(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f36(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f36(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f38(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f37(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f37(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f39(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f38(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f38(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func private @f40(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = func.call @f39(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %b = func.call @f39(%a) : (tensor<2xf32>) -> tensor<2xf32>
  return %b : tensor<2xf32>
}
func.func @main() -> tensor<2xf32> {
  %x = arith.constant dense<0.0> : tensor<2xf32>
  %y = func.call @f40(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
