func.func @main(%a: tensor<?x4xf32, #quern.dims<"n","">>) -> tensor<?x4xf32, #quern.dims<"n","">> {
  return %a : tensor<?x4xf32, #quern.dims<"n","">>
}
