#ifndef XMMU_TESTING_SOURCE_LOCATION_H_
#define XMMU_TESTING_SOURCE_LOCATION_H_

// Where in a test a function of xmmu::testing was called: the line that a
// failure is reported at. It is the last parameter of each such function and
// left out by its callers.
//
// Any thread.

#include <cstdint>
#include <source_location>

namespace xmmu::testing {

#ifdef __cpp_lib_source_location
using SourceLocation = std::source_location;
#else
// clang before 16 has the header of its library, but not what that rests on.
class SourceLocation {
 public:
  static constexpr SourceLocation current(const char* file = __builtin_FILE(),
                                          uint32_t line = __builtin_LINE()) {
    return SourceLocation(file, line);
  }
  constexpr const char* file_name() const { return file_; }
  constexpr uint32_t line() const { return line_; }

 private:
  constexpr SourceLocation(const char* file, uint32_t line)
      : file_(file), line_(line) {}

  const char* file_;
  uint32_t line_;
};
#endif

}  // namespace xmmu::testing

#endif  // XMMU_TESTING_SOURCE_LOCATION_H_
