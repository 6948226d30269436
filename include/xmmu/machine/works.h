#ifndef XMMU_MACHINE_WORKS_H_
#define XMMU_MACHINE_WORKS_H_

// The works that machines name as sources of their values: articles, manuals,
// collections, posts; as one cites them. A machine says its sources in words
// ("SOSP'03 null call 1080 less the trap"); what these words name is found here.
//
// Constants; any thread.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "xmmu/machine/machine_model.h"

namespace xmmu {

// A field of BibTeX, without the braces around its value. What of a value must
// keep its case, or is one name, is in braces of its own.
struct WorkField {
  std::string_view name;
  std::string_view value;
};

struct Work {
  std::string_view key;   // "barham2003xen"
  std::string_view type;  // "inproceedings"
  std::vector<WorkField> fields;
  // What sources call it; each stands for this work wherever it is met.
  std::vector<std::string_view> names;

  // The field of that name, or nothing.
  std::string_view Field(std::string_view name) const;
};

// All works, by author and year of the key.
std::span<const Work> Works();

// The works that `source` names, in the order of Works().
std::vector<const Work*> WorksIn(std::string_view source);

// What a value without a work rests on.
enum class Unsourced : uint8_t {
  kNo,          // it names a work, or none is known though it should have one
  kOwn,         // estimated, or measured by the authors of the machine
  kRemembered,  // it is from what is generally known of the machine
  kFromOthers,  // it follows from other values of the machine, or says that
                // there is no such thing
};
Unsourced UnsourcedOf(Mark mark, std::string_view source);

// `work` as an entry of BibTeX, ending in a newline. ASCII alone, accents as
// commands of TeX.
std::string BibtexOf(const Work& work);

}  // namespace xmmu

#endif  // XMMU_MACHINE_WORKS_H_
