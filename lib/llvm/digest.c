/* Functions by number. Their text would do, but takes as long to print as a tenth of compiling them; so they are walked
 * instead, and only what has no simple form is printed. The walk writes down, word by word, what a reader would need to
 * build the function again: values are numbered, constants and types described where they first appear. */
#include "digest.h"
#include "map.h"
#include <llvm/Config/llvm-config.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { WORDS = 128 };

typedef struct walker {
  qn_allocator allocator;
  qn_idmap numbers; /* of values, blocks and types */
  uint32_t count;
  bool failed;
  XXH3_state_t hash;
  uint64_t words[WORDS];
  uint32_t filled;
} walker;

static void flush(walker *w) {
  XXH3_128bits_update(&w->hash, w->words, w->filled * sizeof *w->words);
  w->filled = 0;
}

static void word(walker *w, uint64_t x) {
  if (w->filled == WORDS) flush(w);
  w->words[w->filled++] = x;
}

static void bytes(walker *w, const char *s, size_t size) {
  word(w, size);
  flush(w);
  XXH3_128bits_update(&w->hash, s, size);
}

static void text(walker *w, const char *s) {
  bytes(w, s, strlen(s));
}

static void number(walker *w, const void *at) {
  if (!qn__idmap_set(&w->allocator, &w->numbers, (uint64_t)(uintptr_t)at, ++w->count)) w->failed = true;
}

/* ---- types, constants ---- */

static void type_of(walker *w, LLVMTypeRef t) {
  uint32_t known = qn__idmap_get(&w->numbers, (uint64_t)(uintptr_t)t);
  if (!known) {
    number(w, t);
    char *s = LLVMPrintTypeToString(t);
    text(w, s);
    LLVMDisposeMessage(s);
    known = w->count;
  }
  word(w, known);
}

/* Assembly is the longest text there is; false where this release cannot be asked for its parts. */
static bool assembly(walker *w, LLVMValueRef v) {
#if LLVM_VERSION_MAJOR >= 18
  if (!LLVMIsAInlineAsm(v)) return false;
  size_t size;
  const char *code = LLVMGetInlineAsmAsmString(v, &size);
  bytes(w, code, size);
  code = LLVMGetInlineAsmConstraintString(v, &size);
  bytes(w, code, size);
  type_of(w, LLVMGetInlineAsmFunctionType(v));
  word(w, (uint64_t)(LLVMGetInlineAsmHasSideEffects(v) != 0) |
              (uint64_t)(LLVMGetInlineAsmNeedsAlignedStack(v) != 0) << 1 |
              (uint64_t)(LLVMGetInlineAsmCanUnwind(v) != 0) << 2 | (uint64_t)LLVMGetInlineAsmDialect(v) << 3);
  return true;
#else
  (void)w, (void)v;
  return false;
#endif
}

static void describe(walker *w, LLVMValueRef v) {
  LLVMTypeRef type = LLVMTypeOf(v);
  if (assembly(w, v)) return;
  if (LLVMIsAGlobalValue(v)) {
    size_t size;
    text(w, LLVMGetValueName2(v, &size));
  } else if (LLVMIsAConstantInt(v) && LLVMGetIntTypeWidth(type) <= 64) {
    type_of(w, type);
    word(w, LLVMConstIntGetZExtValue(v));
  } else {
    char *s = LLVMPrintValueToString(v);
    text(w, s);
    LLVMDisposeMessage(s);
  }
}

static void value(walker *w, LLVMValueRef v) {
  uint32_t known = qn__idmap_get(&w->numbers, (uint64_t)(uintptr_t)v);
  if (!known) {
    number(w, v);
    known = w->count;
    describe(w, v);
  }
  word(w, known);
}

/* ---- instructions ---- */

/* What an instruction says beside its operands and types, if this release can be asked for it. */
static bool flags_of(LLVMValueRef i, LLVMOpcode opcode, uint64_t *out) {
  *out = 0;
#if LLVM_VERSION_MAJOR >= 18
  if (LLVMCanValueUseFastMathFlags(i)) *out = (uint64_t)LLVMGetFastMathFlags(i);
  switch (opcode) {
  case LLVMAdd:
  case LLVMSub:
  case LLVMMul:
  case LLVMShl: *out = (uint64_t)(LLVMGetNSW(i) != 0) | (uint64_t)(LLVMGetNUW(i) != 0) << 1; break;
  case LLVMUDiv:
  case LLVMSDiv:
  case LLVMLShr:
  case LLVMAShr: *out = LLVMGetExact(i) != 0; break;
  case LLVMZExt: *out = LLVMGetNNeg(i) != 0; break;
  case LLVMOr: *out = LLVMGetIsDisjoint(i) != 0; break;
  default: break;
  }
  return true;
#else
  (void)i, (void)opcode;
  return false;
#endif
}

static bool call_is_simple(LLVMValueRef i) {
  uint32_t n = (uint32_t)LLVMGetNumArgOperands(i);
  if (LLVMIsTailCall(i) || LLVMGetInstructionCallConv(i) != LLVMCCallConv) return false;
#if LLVM_VERSION_MAJOR >= 18
  if (LLVMGetNumOperandBundles(i)) return false;
#endif
  if (LLVMGetCallSiteAttributeCount(i, (LLVMAttributeIndex)LLVMAttributeFunctionIndex)) return false;
  for (uint32_t a = 0; a <= n; a++)
    if (LLVMGetCallSiteAttributeCount(i, a)) return false;
  return true;
}

/* What is said by operands, types and flags, or else by what is written here. False for all others. */
static bool details(walker *w, LLVMValueRef i, LLVMOpcode opcode) {
  switch (opcode) {
  case LLVMRet:
  case LLVMBr:
  case LLVMUDiv:
  case LLVMSDiv:
  case LLVMURem:
  case LLVMSRem:
  case LLVMAdd:
  case LLVMSub:
  case LLVMMul:
  case LLVMShl:
  case LLVMLShr:
  case LLVMAShr:
  case LLVMAnd:
  case LLVMOr:
  case LLVMXor:
  case LLVMFAdd:
  case LLVMFSub:
  case LLVMFMul:
  case LLVMFDiv:
  case LLVMFNeg:
  case LLVMTrunc: /* whose flags cannot be asked for, and are never set here */
  case LLVMZExt:
  case LLVMSExt:
  case LLVMFPToSI:
  case LLVMSIToFP:
  case LLVMFPExt:
  case LLVMFPTrunc:
  case LLVMBitCast:
  case LLVMSelect:
  case LLVMFreeze:
  case LLVMExtractElement:
  case LLVMInsertElement: return true;
  case LLVMLoad:
  case LLVMStore:
    if (LLVMGetVolatile(i) || LLVMGetOrdering(i) != LLVMAtomicOrderingNotAtomic) return false;
    word(w, LLVMGetAlignment(i));
    return true;
  case LLVMAlloca:
    type_of(w, LLVMGetAllocatedType(i));
    word(w, LLVMGetAlignment(i));
    return true;
  case LLVMGetElementPtr: type_of(w, LLVMGetGEPSourceElementType(i)); return !LLVMIsInBounds(i);
  case LLVMICmp: word(w, (uint64_t)LLVMGetICmpPredicate(i)); return true;
  case LLVMFCmp: word(w, (uint64_t)LLVMGetFCmpPredicate(i)); return true;
  case LLVMShuffleVector:
    word(w, LLVMGetNumMaskElements(i));
    for (unsigned e = 0; e < LLVMGetNumMaskElements(i); e++) word(w, (uint64_t)LLVMGetMaskValue(i, e));
    return true;
  case LLVMPHI:
    for (unsigned e = 0; e < LLVMCountIncoming(i); e++) value(w, LLVMBasicBlockAsValue(LLVMGetIncomingBlock(i, e)));
    return true;
  case LLVMCall: return call_is_simple(i);
  default: return false;
  }
}

static void instruction(walker *w, LLVMValueRef i) {
  LLVMOpcode opcode = LLVMGetInstructionOpcode(i);
  uint64_t flags;
  uint32_t n = (uint32_t)LLVMGetNumOperands(i);
  word(w, (uint64_t)opcode | (uint64_t)n << 32);
  type_of(w, LLVMTypeOf(i));
  if (!flags_of(i, opcode, &flags) || LLVMHasMetadata(i) || !details(w, i, opcode)) {
    char *s = LLVMPrintValueToString(i);
    text(w, s);
    LLVMDisposeMessage(s);
  }
  word(w, flags);
  for (uint32_t o = 0; o < n; o++) value(w, LLVMGetOperand(i, o));
}

/* ---- the function ---- */

static void attributes(walker *w, LLVMValueRef fn, LLVMAttributeIndex index) {
  enum { MOST = 32 };
  LLVMAttributeRef all[MOST];
  unsigned n = LLVMGetAttributeCountAtIndex(fn, index);
  word(w, n);
  if (n > MOST) w->failed = true;
  if (n == 0 || n > MOST) return;
  LLVMGetAttributesAtIndex(fn, index, all);
  for (unsigned i = 0; i < n; i++) {
    unsigned length;
    if (LLVMIsStringAttribute(all[i])) {
      text(w, LLVMGetStringAttributeKind(all[i], &length));
      text(w, LLVMGetStringAttributeValue(all[i], &length));
    } else if (LLVMIsEnumAttribute(all[i])) {
      word(w, LLVMGetEnumAttributeKind(all[i]));
      word(w, LLVMGetEnumAttributeValue(all[i]));
    } else {
      w->failed = true;
    }
  }
}

static void number_all(walker *w, LLVMValueRef fn) {
  for (LLVMValueRef p = LLVMGetFirstParam(fn); p; p = LLVMGetNextParam(p)) number(w, p);
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(fn); b; b = LLVMGetNextBasicBlock(b)) {
    number(w, LLVMBasicBlockAsValue(b));
    for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) number(w, i);
  }
}

static void walk(walker *w, LLVMValueRef fn) {
  uint32_t params = LLVMCountParams(fn);
  number_all(w, fn);
  word(w, w->count);
  type_of(w, LLVMGlobalGetValueType(fn));
  word(w, LLVMGetFunctionCallConv(fn));
  attributes(w, fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex);
  for (uint32_t i = 0; i <= params; i++) attributes(w, fn, i);
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(fn); b && !w->failed; b = LLVMGetNextBasicBlock(b)) {
    word(w, UINT64_MAX);
    for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) instruction(w, i);
  }
}

bool qn__ll_digest(LLVMValueRef fn, uint64_t seed, qn_ll_digest *out) {
  walker w = {.allocator = qn_allocator_default()};
  XXH3_128bits_reset_withSeed(&w.hash, seed);
  walk(&w, fn);
  flush(&w);
  XXH128_hash_t h = XXH3_128bits_digest(&w.hash);
  *out = (qn_ll_digest){h.high64, h.low64};
  qn__idmap_free(&w.allocator, &w.numbers);
  return !w.failed;
}

uint64_t qn__ll_digest_text(LLVMValueRef v, uint64_t seed) {
  char *s = LLVMPrintValueToString(v);
  uint64_t h = XXH3_64bits_withSeed(s, strlen(s), seed);
  LLVMDisposeMessage(s);
  return h;
}
