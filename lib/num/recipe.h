/* Elementary functions as data: straight-line programs over virtual registers that the evaluator here runs and every
 * code generator emits instruction by instruction, so that all of them give the same bits. Instruction i writes
 * register i; operands a, b, c name earlier registers; the last instruction is the result. The first num_inputs
 * instructions are the inputs, in order. Nothing traps, loops or touches memory, and lanes do not depend on each other.
 */
#ifndef QN_RECIPE_H
#define QN_RECIPE_H
#include <stddef.h>
#include <stdint.h>

typedef enum qn_recipe_type { QN__RECIPE_N, QN__RECIPE_F, QN__RECIPE_I, QN__RECIPE_B } qn_recipe_type;

typedef enum qn_recipe_op {
#define QN_RECIPE_OP(symbol, result, a, b, c, operands, meaning) QN__OP_##symbol,
#include "recipe_ops.def"
#undef QN_RECIPE_OP
  QN__OP_COUNT
} qn_recipe_op;

typedef struct qn_recipe_op_info {
  const char *name;
  uint8_t result, operand[3]; /* qn_recipe_type */
  uint8_t operands;           /* how many of a, b, c are registers */
  const char *meaning;
} qn_recipe_op_info;
extern const qn_recipe_op_info qn__recipe_ops[QN__OP_COUNT];

typedef struct qn_recipe_inst {
  uint8_t op, a, b, c;
  union {
    uint32_t u;
    float f;
  } imm;
} qn_recipe_inst;

typedef struct qn_recipe {
  const char *name, *meaning;
  const qn_recipe_inst *code;
  uint16_t size, num_inputs;
} qn_recipe;

typedef enum qn_recipe_id {
#define QN_RECIPE(symbol, name, inputs, meaning) QN__RECIPE_##symbol,
#include "recipes.def"
#undef QN_RECIPE
  QN__RECIPE_COUNT
} qn_recipe_id;
extern const qn_recipe qn__recipes[QN__RECIPE_COUNT];

/* Null when there is none of that name. */
const qn_recipe *qn__recipe_find(const char *name);

/* Expects the environment of fpenv.h. */
float qn__recipe_eval(const qn_recipe *r, float x);
float qn__recipe_eval2(const qn_recipe *r, float x, float y);
/* One lane as bits, whatever the types. */
uint32_t qn__recipe_eval_bits(const qn_recipe *r, const uint32_t *inputs);
/* n lanes: inputs[k] points to n f32 or i32, out too; out may be one of the inputs. */
void qn__recipe_map(const qn_recipe *r, const void *const *inputs, void *out, size_t n);
#endif
