// Memory for weights and for the KV cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace llmworker {

// Memory that could not be had. Its message begins with "std::bad_alloc", by which Java knows it.
class OutOfMemory : public std::bad_alloc {
 public:
  // use: what the memory was for
  OutOfMemory(const char* use, double bytes);
  const char* what() const noexcept override { return message_; }

 private:
  char message_[128];
};

// Zeros. The system allocates a page when it is first written to. use: for the error's message
void* map_pages(size_t bytes, const char* use);
void unmap_pages(void* start, size_t bytes);

// An arena for weights: memory is given out piece by piece and freed at once. It uses large pages if the system has them. A token
// reads all of it once, and thousands of small pages would take longer to map than to fill.
class Memory {
 public:
  Memory() = default;
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // Zeros, at a multiple of 64 bytes.
  uint8_t* take(size_t bytes);

 private:
  struct Mapping {
    void* start;
    size_t bytes;
  };

  std::vector<Mapping> mappings_;
  uint8_t* next_ = nullptr;
  size_t left_ = 0;
};

}  // namespace llmworker
