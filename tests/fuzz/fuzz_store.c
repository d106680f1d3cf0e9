/* safetensors, npy and npz: any bytes are opened and read whole, or refused. */
#include "fuzz.h"
#include <quern/store.h>

static void touch(const void *data, size_t size) {
  volatile unsigned char sum = 0;
  const unsigned char *p = data;
  for (size_t i = 0; i < size; i += 61) sum = (unsigned char)(sum + p[i]);
  if (size) sum = (unsigned char)(sum + p[size - 1]);
}

static void read_all(qn_store *store) {
  for (size_t i = 0; i < qn_store_count(store); i++) {
    qn_tensor info, t;
    qn_str name = qn_store_name(store, i);
    size_t found;
    touch(name.data, name.size);
    if (!qn_store_find(store, name, &found)) fuzz_stop("a tensor that is listed is not found");
    if (qn_store_info(store, i, &info) != QN_OK) continue;
    if (info.data) fuzz_stop("the header alone has data");
    if (qn_store_tensor(store, i, &t) != QN_OK) continue;
    if (t.elem != info.elem || t.rank != info.rank || memcmp(t.shape, info.shape, t.rank * sizeof t.shape[0]))
      fuzz_stop("header and tensor differ");
    size_t bytes = qn_tensor_bytes(&t);
    if (bytes == SIZE_MAX) fuzz_stop("a tensor of impossible size");
    touch(t.data, bytes);
    if (i % 2) qn_store_drop(store, i);
  }
  for (size_t i = 0; i < qn_store_metadata_count(store); i++) {
    qn_str key, value;
    if (!qn_store_metadata_at(store, i, &key, &value)) fuzz_stop("metadata that is counted is not there");
    touch(key.data, key.size);
    touch(value.data, value.size);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_state s;
  qn_context *ctx = fuzz_context(&s);
  if (!ctx) return 0;
  qn_store *store = NULL;
  qn_status status = qn_store_open_memory(ctx, "input", data, size, &store);
  fuzz_check_status(&s, status);
  if ((status == QN_OK) != (store != NULL)) fuzz_stop("a store without success, or success without a store");
  if (store) {
    read_all(store);
    qn_store_close(store);
  }
  fuzz_end(ctx, &s);
  return 0;
}
