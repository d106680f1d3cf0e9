#include "page.h"
#include "utf8.h"
#include <float.h>
#include <quern/report.h>
#include <string.h>

void qn__page_text(qn_buf *b, qn_str s) {
  for (size_t i = 0, n; i < s.size; i += n ? n : 1) {
    char c = s.data[i];
    n = qn__utf8_length((const unsigned char *)s.data + i, s.size - i);
    const char *as = c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&quot;" : NULL;
    if (as)
      qn__buf_c(b, as);
    else if (n == 0)
      qn__buf_c(b, "\xef\xbf\xbd");
    else if ((unsigned char)c >= 32)
      qn__buf_put(b, s.data + i, n);
    else
      qn__buf_char(b, ' ');
  }
}

static void put_text(qn_buf *b, const char *s) {
  qn__page_text(b, qn_str_of(s));
}

void qn__page_begin(qn_buf *b, const char *title) {
  static const char style[] =
      ":root{color-scheme:light dark;--page:#fcfcfa;--ink:#22262b;--soft:#5c646e;--line:#dfe2e6;--stripe:#f3f4f5;"
      "--bar:#9dbfe3;--warn:#8a4b08}\n"
      "@media (prefers-color-scheme:dark){:root{--page:#16181b;--ink:#dfe3e8;--soft:#9aa4b0;--line:#33383f;"
      "--stripe:#1d2024;--bar:#2f5680;--warn:#e3a35f}}\n"
      "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:76rem;"
      "margin:2rem auto;padding:0 1rem}\n"
      "h1{font-size:1.4rem;overflow-wrap:anywhere}h2{font-size:1.05rem;margin-top:2rem}\n"
      "dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:0}dt{color:var(--soft)}"
      "dd{margin:0;overflow-wrap:anywhere}\n"
      ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13.5px}"
      "th{text-align:left;font-weight:600;color:var(--soft)}"
      "th,td{padding:.25rem .7rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}"
      "tbody tr:nth-child(even){background:var(--stripe)}\n"
      ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
      "code{font:12.5px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}.warn{color:var(--warn)}\n"
      ".share{background:linear-gradient(90deg,var(--bar) var(--part),transparent var(--part))}\n";
  qn__buf_c(b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
               "content=\"width=device-width\">\n<title>");
  put_text(b, title);
  qn__buf_c(b, "</title>\n<style>\n");
  qn__buf_c(b, style);
  qn__buf_c(b, "</style>\n</head>\n<body>\n<h1>");
  put_text(b, title);
  qn__buf_c(b, "</h1>\n");
}

void qn__page_end(qn_buf *b) {
  qn__buf_c(b, "</body>\n</html>\n");
}

void qn__page_heading(qn_buf *b, const char *text) {
  qn__buf_c(b, "<h2>");
  put_text(b, text);
  qn__buf_c(b, "</h2>\n");
}

/* ---- values ---- */

static bool is_empty(const cJSON *v) {
  return !v || (cJSON_IsString(v) && !*v->valuestring);
}

static bool is_empty_as(const cJSON *v, qn__page_kind kind) {
  bool speaks = kind == QN__PAGE_MEASURE || kind == QN__PAGE_SHARE; /* there null says something */
  return is_empty(v) || (cJSON_IsNull(v) && !speaks);
}

static void put_bytes(qn_buf *b, double n) {
  static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB"};
  size_t u = 0;
  while (n >= 10000 && u + 1 < sizeof units / sizeof *units) n /= 1000, u++;
  qn__buf_fmt(b, "%.*f %s", n < 100 && u ? 1 : 0, n, units[u]);
}

static void put_value(qn_buf *b, const cJSON *v, qn__page_kind kind) {
  double number = cJSON_IsNumber(v) ? v->valuedouble : 0;
  const char *text = cJSON_IsString(v) ? v->valuestring : "";
  if (is_empty_as(v, kind)) return;
  switch (kind) {
  case QN__PAGE_TEXT:
    if (cJSON_IsNumber(v))
      qn__buf_fmt(b, "%.15g", number);
    else
      put_text(b, text);
    break;
  case QN__PAGE_CODE: qn__buf_c(b, "<code>"), put_text(b, text), qn__buf_c(b, "</code>"); break;
  case QN__PAGE_NUMBER: qn__buf_fmt(b, "%.15g", number); break;
  case QN__PAGE_BYTES: put_bytes(b, number); break;
  case QN__PAGE_MEASURE:
    if (cJSON_IsNull(v))
      qn__buf_c(b, "exact");
    else if (number <= QN_REPORT_ALL_NOISE)
      qn__buf_c(b, "nothing left");
    else if (number >= DBL_MAX)
      qn__buf_c(b, "infinite");
    else
      qn__buf_fmt(b, "%.5g", number);
    break;
  case QN__PAGE_SHARE:
    if (!cJSON_IsNull(v)) qn__buf_fmt(b, "%.2f%%", 100 * number);
    break;
  case QN__PAGE_WARNING: put_text(b, text); break;
  }
}

/* ---- facts and tables ---- */

void qn__page_facts(qn_buf *b, const cJSON *object, const qn__page_column *columns, size_t n) {
  qn__buf_c(b, "<dl>\n");
  for (size_t i = 0; i < n; i++) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, columns[i].key);
    if (is_empty_as(v, columns[i].kind)) continue;
    qn__buf_c(b, "<dt>"), put_text(b, columns[i].heading), qn__buf_c(b, "</dt><dd>");
    put_value(b, v, columns[i].kind);
    qn__buf_c(b, "</dd>\n");
  }
  qn__buf_c(b, "</dl>\n");
}

static bool is_number(qn__page_kind kind) {
  return kind == QN__PAGE_NUMBER || kind == QN__PAGE_BYTES || kind == QN__PAGE_MEASURE || kind == QN__PAGE_SHARE;
}

static void put_cell(qn_buf *b, const cJSON *row, const qn__page_column *c) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(row, c->key);
  if (c->kind == QN__PAGE_SHARE && cJSON_IsNumber(v))
    qn__buf_fmt(b, "<td class=\"n share\" style=\"--part:%.1f%%\">", 100 * v->valuedouble);
  else
    qn__buf_c(b, is_number(c->kind)            ? "<td class=\"n\">"
                 : c->kind == QN__PAGE_WARNING ? "<td class=\"warn\">"
                                               : "<td>");
  put_value(b, v, c->kind);
  qn__buf_c(b, "</td>");
}

static bool is_used(const cJSON *rows, const qn__page_column *c) {
  const cJSON *row;
  cJSON_ArrayForEach(row, rows) if (!is_empty_as(cJSON_GetObjectItemCaseSensitive(row, c->key), c->kind)) return true;
  return false;
}

void qn__page_table(qn_buf *b, const char *heading, const cJSON *rows, const qn__page_column *columns, size_t n) {
  enum { MOST = 16 };
  bool used[MOST] = {false};
  const cJSON *row;
  if (!cJSON_IsArray(rows) || !rows->child || n > MOST) return;
  qn__page_heading(b, heading);
  qn__buf_c(b, "<div class=\"wide\"><table>\n<thead><tr>");
  for (size_t i = 0; i < n; i++) {
    if (!(used[i] = is_used(rows, &columns[i]))) continue;
    qn__buf_c(b, is_number(columns[i].kind) ? "<th class=\"n\">" : "<th>");
    put_text(b, columns[i].heading);
    qn__buf_c(b, "</th>");
  }
  qn__buf_c(b, "</tr></thead>\n<tbody>\n");
  cJSON_ArrayForEach(row, rows) {
    qn__buf_c(b, "<tr>");
    for (size_t i = 0; i < n; i++)
      if (used[i]) put_cell(b, row, &columns[i]);
    qn__buf_c(b, "</tr>\n");
  }
  qn__buf_c(b, "</tbody>\n</table></div>\n");
}
