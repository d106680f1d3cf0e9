/* What is in a program as a tree of JSON: the source of all reports about it. */
#ifndef QN_TREE_H
#define QN_TREE_H
#include <cjson/cJSON.h>
#include <quern/report.h>

/* Null when memory runs out. */
cJSON *qn__report_tree(const qn_module *m, const qn_program *p);
/* Any bytes as a member: cJSON's own strings end at a NUL and may hold what is no UTF-8. */
bool qn__tree_text(cJSON *object, const char *key, qn_str s);
/* The tree as text; takes it. */
qn_status qn__tree_write(qn_context *ctx, cJSON *root, qn_write_fn write, void *user);
/* The tree as those read it who have its text; takes it. Null when memory runs out. */
cJSON *qn__tree_read(cJSON *root);
#endif
