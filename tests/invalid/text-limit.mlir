// RUN: python3 -c "print('nope.op\n' * 1000)" > %t.many
// RUN: not quern opt %t.many 2> %t.err
// RUN: FileCheck %s --check-prefix=MANY --input-file %t.err
// RUN: python3 -c "print('\"a.b\"() ({' * 100000)" > %t.regions
// RUN: not quern opt --allow-unregistered %t.regions 2>&1 | FileCheck %s --check-prefix=DEEP
// RUN: python3 -c "print('#a = ' + '[' * 100000)" > %t.lists
// RUN: not quern opt %t.lists 2>&1 | FileCheck %s --check-prefix=LISTS
// RUN: python3 -c "print('!a = ' + '(' * 100000)" > %t.types
// RUN: not quern opt %t.types 2>&1 | FileCheck %s --check-prefix=TYPES
// RUN: python3 -c "print('#a0 = [1, 2]\n' + ''.join('#a%%d = [#a%%d, #a%%d]\n' %% (i + 1, i, i) for i in range(40)))" > %t.doubling
// RUN: not quern opt %t.doubling 2>&1 | FileCheck %s --check-prefix=DOUBLING
// RUN: python3 -c "print('#a0 = {a = 1, b = 2}\n' + ''.join('#a%%d = {b = #a%%d, a = #a%%d}\n' %% (i + 1, i, i) for i in range(40)))" > %t.doubled
// RUN: not quern opt %t.doubled 2>&1 | FileCheck %s --check-prefix=DOUBLED
// RUN: python3 -c "print('#a0 = [1]\n' + ''.join('#a%%d = [#a%%d]\n' %% (i + 1, i) for i in range(200)))" > %t.tower
// RUN: not quern opt %t.tower 2>&1 | FileCheck %s --check-prefix=TOWER

// No text is deep enough to overflow the stack, and a wrong one does not fill the screen.

// MANY-COUNT-20: error: no op 'nope.op'
// MANY: {{.*}}note: reading stops after 20 errors
// MANY-NOT: error
// DEEP: error: {{.*}}too deep
// LISTS: text-limit.mlir.tmp.lists:1:70: error: regions, types and attributes may nest 64 deep; this is deeper
// TYPES: text-limit.mlir.tmp.types:1:70: error: regions, types and attributes may nest 64 deep; this is deeper
// DOUBLING: text-limit.mlir.tmp.doubling:24:8: error: with what its aliases stand for this has more than 16777216 entries, or more than 128 levels
// DOUBLED: text-limit.mlir.tmp.doubled:24:8: error: with what its aliases stand for this has more than 16777216 entries
// TOWER: text-limit.mlir.tmp.tower:129:9: error: with what its aliases stand for this has more than
