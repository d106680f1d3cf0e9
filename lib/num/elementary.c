#include "recipe.h"
#include <quern/num.h>

float qn_f32_exp(float x) {
  return qn__recipe_eval(&qn__recipes[QN__RECIPE_EXP], x);
}
float qn_f32_log(float x) {
  return qn__recipe_eval(&qn__recipes[QN__RECIPE_LOG], x);
}
float qn_f32_tanh(float x) {
  return qn__recipe_eval(&qn__recipes[QN__RECIPE_TANH], x);
}
float qn_f32_erf(float x) {
  return qn__recipe_eval(&qn__recipes[QN__RECIPE_ERF], x);
}
float qn_f32_sigmoid(float x) {
  return qn__recipe_eval(&qn__recipes[QN__RECIPE_SIGMOID], x);
}
float qn_f32_gelu(float x) {
  return qn__recipe_eval(&qn__recipes[QN__RECIPE_GELU], x);
}
float qn_f32_gelu_tanh(float x) {
  return qn__recipe_eval(&qn__recipes[QN__RECIPE_GELU_TANH], x);
}
