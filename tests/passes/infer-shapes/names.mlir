// RUN: quern opt %s -p infer-shapes --verify-each --check-each | FileCheck %s

// A size without a name is given one, so that what follows from it can be told apart from other sizes.
// CHECK-LABEL: func.func @unnamed
// CHECK-SAME:  (%x: tensor<?x4xf32, #quern.dims<"x.0","">>, %y: tensor<?xf32, #quern.dims<"y.0">>)
// CHECK-SAME:  -> (tensor<?x4xf32, #quern.dims<"x.0","">>, tensor<?xf32, #quern.dims<"y.0">>)
func.func @unnamed(%x: tensor<?x4xf32>, %y: tensor<?xf32>) -> (tensor<?x4xf32>, tensor<?xf32>) {
  %0 = quern.exp %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = quern.exp %y : (tensor<?xf32>) -> tensor<?xf32>
  return %0, %1 : tensor<?x4xf32>, tensor<?xf32>
}

// The result is declared to have size "m", and the rule gives "n": they are one, everywhere.
// CHECK-LABEL: func.func @one_size
// CHECK-SAME:  (%x: tensor<?xf32, #quern.dims<"n">>, %y: tensor<?xf32, #quern.dims<"n">>)
// CHECK:       quern.exp %x : (tensor<?xf32, #quern.dims<"n">>) -> tensor<?xf32, #quern.dims<"n">>
// CHECK:       quern.add {{.*}} -> tensor<?xf32, #quern.dims<"n">>
func.func @one_size(%x: tensor<?xf32, #quern.dims<"n">>, %y: tensor<?xf32, #quern.dims<"m">>) -> tensor<?xf32, #quern.dims<"m">> {
  %0 = quern.exp %x : (tensor<?xf32, #quern.dims<"n">>) -> tensor<?xf32, #quern.dims<"m">>
  %1 = quern.add %0, %y : (tensor<?xf32, #quern.dims<"m">>, tensor<?xf32, #quern.dims<"m">>) -> tensor<?xf32, #quern.dims<"m">>
  return %1 : tensor<?xf32, #quern.dims<"m">>
}

// A declared size that the operands do not tell settles the name from the beginning.
// CHECK-LABEL: func.func @settled
// CHECK-SAME:  (%x: tensor<4xf32>) -> tensor<4xf32>
// CHECK:       quern.exp %x : (tensor<4xf32>) -> tensor<4xf32>
func.func @settled(%x: tensor<?xf32, #quern.dims<"n">>) -> tensor<4xf32> {
  %0 = quern.exp %x : (tensor<?xf32, #quern.dims<"n">>) -> tensor<?xf32>
  %1 = quern.tanh %0 : (tensor<?xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// The same name in another function is another size.
// CHECK-LABEL: func.func @other
// CHECK-SAME:  (%x: tensor<?xf32, #quern.dims<"n">>)
func.func @other(%x: tensor<?xf32, #quern.dims<"n">>) -> tensor<?xf32, #quern.dims<"n">> {
  %0 = quern.exp %x : (tensor<?xf32, #quern.dims<"n">>) -> tensor<?xf32, #quern.dims<"n">>
  return %0 : tensor<?xf32, #quern.dims<"n">>
}
