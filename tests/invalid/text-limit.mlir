// RUN: python3 -c "print('nope.op\n' * 1000)" > %t.many
// RUN: not quern opt %t.many 2> %t.err
// RUN: FileCheck %s --check-prefix=MANY --input-file %t.err
// RUN: python3 -c "print('\"a.b\"() ({' * 100000)" > %t.regions
// RUN: not quern opt --allow-unregistered %t.regions 2>&1 | FileCheck %s --check-prefix=DEEP
// RUN: python3 -c "print('#a = ' + '[' * 100000)" > %t.lists
// RUN: not quern opt %t.lists 2>&1 | FileCheck %s --check-prefix=LISTS
// RUN: python3 -c "print('!a = ' + '(' * 100000)" > %t.types
// RUN: not quern opt %t.types 2>&1 | FileCheck %s --check-prefix=TYPES

// No text is deep enough to overflow the stack, and a wrong one does not fill the screen.

// MANY-COUNT-20: error: no op 'nope.op'
// MANY: {{.*}}note: reading stops after 20 errors
// MANY-NOT: error
// DEEP: error: {{.*}}too deep
// LISTS: text-limit.mlir.tmp.lists:1:70: error: regions, types and attributes may nest 64 deep; this is deeper
// TYPES: text-limit.mlir.tmp.types:1:70: error: regions, types and attributes may nest 64 deep; this is deeper
