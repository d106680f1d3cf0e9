/* Searching choices: candidates (tune_candidates.c), comparing two programs (tune_race.c), the search (tune.c). */
#ifndef QN_TUNE_H
#define QN_TUNE_H
#include "runner.h"
#include <quern/driver.h>

enum { QN__TUNE_STAGES = 7, QN__TUNE_CANDIDATES = 64, QN__TUNE_PRODUCTS = 64, QN__TUNE_PAIRS = 1024 };

/* What a stage tries for a product whose best so far is product->choice. `out` has room for QN__TUNE_CANDIDATES. */
size_t qn__tune_candidates(uint32_t stage, const qn_tuned *product, uint32_t threads, qn_choice *out);

/* Kernel, row, types and sizes; the number of rows by m_least. */
bool qn__tune_same(const qn_tuned *a, const qn_tuned *b);

/* How two programs compare in one product: of the ratios of neighbouring calls the median and the range around it. */
typedef struct qn__tune_ratio {
  double gain, low, high, us; /* us: of the second program */
  uint32_t pairs;
} qn__tune_ratio;

/* Of n pairs of times, those that nothing disturbed: both within a tenth of what the quickest twentieth of their side
 * takes. Of their ratios a / b the median, and the range that holds the true one with a confidence of 99.7%, whatever
 * their distribution: order statistics at 1.5 sqrt(n) from the middle. With few of them the range is all. `room` is for
 * 2 n numbers. */
qn__tune_ratio qn__tune_judge(const double *a, const double *b, uint32_t n, double *room);

/* Calls both in turns for `seconds`, or until each product's range lies on one side of 1. `products` are found in the
 * programs by what tuning files call them; out[i].pairs is 0 for those that are not there. Both have been opened with
 * the same inputs. */
qn_status qn__tune_race(qn_context *ctx, qn__runner *a, qn__runner *b, size_t num_products, const qn_tuned *products,
                        double seconds, bool all, qn__tune_ratio *out);
#endif
