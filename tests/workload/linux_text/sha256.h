#ifndef XMMU_TESTS_WORKLOAD_LINUX_TEXT_SHA256_H_
#define XMMU_TESTS_WORKLOAD_LINUX_TEXT_SHA256_H_

// SHA-256 (FIPS 180-4), in which others have stated what a file holds.

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"

namespace xmmu {

class Sha256 {
 public:
  void Add(const std::string& text) {
    for (const char c : text) AddByte(static_cast<uint8_t>(c));
  }

  // The first 16 hexadecimal digits. Nothing may be added behind it.
  std::string Digest() {
    const uint64_t bits = length_ * 8;
    AddByte(0x80);
    while (length_ % 64 != 56) AddByte(0);
    for (int shift = 56; shift >= 0; shift -= 8) {
      AddByte(static_cast<uint8_t>(bits >> shift));
    }
    return absl::StrCat(absl::Hex(state_[0], absl::kZeroPad8),
                        absl::Hex(state_[1], absl::kZeroPad8));
  }

 private:
  // The fractional parts of the roots of the first primes, 4.2.2 and 5.3.3.
  static uint32_t Fraction(long double root) {
    return static_cast<uint32_t>((root - std::floor(root)) * 4294967296.0L);
  }
  static std::array<int, 64> Primes() {
    std::array<int, 64> primes{};
    size_t found = 0;
    for (int n = 2; found < primes.size(); ++n) {
      bool prime = true;
      for (size_t i = 0; i < found; ++i) prime &= n % primes[i] != 0;
      if (prime) primes[found++] = n;
    }
    return primes;
  }

  void AddByte(uint8_t byte) {
    uint32_t& word = block_[length_ % 64 / 4];
    word = word << 8 | byte;
    if (++length_ % 64 == 0) Compress();
  }

  void Compress() {
    std::array<uint32_t, 64> w{};
    for (size_t t = 0; t < 64; ++t) {
      if (t < 16) {
        w[t] = block_[t];
        continue;
      }
      const uint32_t a = w[t - 15];
      const uint32_t b = w[t - 2];
      w[t] = w[t - 16] + w[t - 7] +
             (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) +
             (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
    }
    std::array<uint32_t, 8> s = state_;
    for (size_t t = 0; t < 64; ++t) {
      const uint32_t one =
          s[7] +
          (std::rotr(s[4], 6) ^ std::rotr(s[4], 11) ^ std::rotr(s[4], 25)) +
          ((s[4] & s[5]) ^ (~s[4] & s[6])) + k_[t] + w[t];
      const uint32_t two =
          (std::rotr(s[0], 2) ^ std::rotr(s[0], 13) ^ std::rotr(s[0], 22)) +
          ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
      for (size_t i = 7; i > 0; --i) s[i] = s[i - 1];
      s[4] += one;
      s[0] = one + two;
    }
    for (size_t i = 0; i < 8; ++i) state_[i] += s[i];
  }

  std::array<uint32_t, 64> k_ = [] {
    std::array<uint32_t, 64> k{};
    const auto primes = Primes();
    for (size_t i = 0; i < 64; ++i)
      k[i] = Fraction(std::cbrt(static_cast<long double>(primes[i])));
    return k;
  }();
  std::array<uint32_t, 8> state_ = [] {
    std::array<uint32_t, 8> state{};
    const auto primes = Primes();
    for (size_t i = 0; i < 8; ++i) {
      state[i] = Fraction(std::sqrt(static_cast<long double>(primes[i])));
    }
    return state;
  }();
  std::array<uint32_t, 16> block_{};
  uint64_t length_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_WORKLOAD_LINUX_TEXT_SHA256_H_
