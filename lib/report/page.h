/* Pages for people, made of what is in JSON: headings, facts and tables in one HTML file that needs no other, for light
 * and dark screens. */
#ifndef QN_PAGE_H
#define QN_PAGE_H
#include "buf.h"
#include <cjson/cJSON.h>

typedef enum qn__page_kind {
  QN__PAGE_TEXT,
  QN__PAGE_CODE,   /* in a fixed-width font */
  QN__PAGE_NUMBER, /* whole */
  QN__PAGE_BYTES,
  QN__PAGE_MEASURE, /* a number with a few digits; null: "exact" */
  QN__PAGE_SHARE,   /* 0 to 1, as a percentage; null: none */
  QN__PAGE_WARNING  /* text that tells of something to mend */
} qn__page_kind;

/* A member of an object, and what stands above or before it. */
typedef struct qn__page_column {
  const char *key, *heading;
  qn__page_kind kind;
} qn__page_column;

void qn__page_begin(qn_buf *b, const char *title);
void qn__page_end(qn_buf *b);
/* Members of one object, one below the other; those that are missing or empty are left out. */
void qn__page_facts(qn_buf *b, const cJSON *object, const qn__page_column *columns, size_t n);
/* An array of objects. Columns in which all are empty are left out; without rows the whole table is. */
void qn__page_table(qn_buf *b, const char *heading, const cJSON *rows, const qn__page_column *columns, size_t n);
void qn__page_heading(qn_buf *b, const char *text);
/* Text between tags or in quotes; bytes that are not UTF-8 become U+FFFD. */
void qn__page_text(qn_buf *b, qn_str s);
#endif
