#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>

namespace llmworker {

namespace {

constexpr size_t LARGE_PAGE = size_t{2} << 20;
constexpr size_t MAPPING = size_t{64} << 20;
constexpr size_t ALIGNMENT = 64;

size_t multiple(size_t bytes, size_t of) { return (bytes + of - 1) / of * of; }

}  // namespace

OutOfMemory::OutOfMemory(const char* use, double bytes) {
  std::snprintf(message_, sizeof message_, "std::bad_alloc: %.0f MB for %s could not be allocated", bytes / 1e6, use);
}

void* map_pages(size_t bytes, const char* use) {
  void* const start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) throw OutOfMemory(use, static_cast<double>(bytes));
  return start;
}

void unmap_pages(void* start, size_t bytes) { munmap(start, bytes); }

Memory::~Memory() {
  for (const Mapping& mapping : mappings_) unmap_pages(mapping.start, mapping.bytes);
}

uint8_t* Memory::take(size_t bytes) {
  bytes = multiple(bytes, ALIGNMENT);
  if (bytes > left_) {
    const size_t size = std::max(MAPPING, multiple(bytes, LARGE_PAGE)), mapped = size + LARGE_PAGE;
    void* const start = map_pages(mapped, "weights");
#ifdef MADV_HUGEPAGE
    madvise(start, mapped, MADV_HUGEPAGE);
#endif
    mappings_.push_back({start, mapped});
    next_ = reinterpret_cast<uint8_t*>(multiple(reinterpret_cast<uintptr_t>(start), LARGE_PAGE));
    left_ = size;
  }
  uint8_t* const taken = next_;
  next_ += bytes;
  left_ -= bytes;
  return taken;
}

}  // namespace llmworker
