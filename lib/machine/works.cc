#include "xmmu/machine/works.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/text.h"

namespace xmmu {
namespace {

// Articles and talks.
std::vector<Work> Papers() {
  return {
      {"adams2006comparison",
       "inproceedings",
       {{"author", "Adams, Keith and Agesen, Ole"},
        {"title",
         "A Comparison of Software and Hardware Techniques for x86 "
         "Virtualization"},
        {"booktitle",
         "Proceedings of the 12th International Conference on Architectural "
         "Support for Programming Languages and Operating Systems "
         "({ASPLOS XII})"},
        {"pages", "2--13"},
        {"year", "2006"},
        {"doi", "10.1145/1168857.1168860"}},
       {"ASPLOS'06"}},
      {"agesen2012software",
       "inproceedings",
       {{"author",
         "Agesen, Ole and Mattson, Jim and Rugina, Radu and Sheldon, Jeffrey"},
        {"title",
         "Software Techniques for Avoiding Hardware Virtualization Exits"},
        {"booktitle", "2012 {USENIX} Annual Technical Conference"},
        {"year", "2012"},
        {"url",
         "https://www.usenix.org/conference/atc12/technical-sessions/"
         "presentation/agesen"}},
       {"Agesen et al., USENIX ATC'12"}},
      {"barham2003xen",
       "inproceedings",
       {{"author",
         "Barham, Paul and Dragovic, Boris and Fraser, Keir and Hand, Steven "
         "and Harris, Tim and Ho, Alex and Neugebauer, Rolf and Pratt, Ian and "
         "Warfield, Andrew"},
        {"title", "{Xen} and the Art of Virtualization"},
        {"booktitle",
         "Proceedings of the 19th {ACM} Symposium on Operating Systems "
         "Principles ({SOSP} '03)"},
        {"pages", "164--177"},
        {"year", "2003"},
        {"doi", "10.1145/945445.945462"}},
       {"SOSP'03"}},
      {"barr2010translation",
       "inproceedings",
       {{"author", "Barr, Thomas W. and Cox, Alan L. and Rixner, Scott"},
        {"title", "Translation Caching: Skip, Don't Walk (the Page Table)"},
        {"booktitle",
         "Proceedings of the 37th Annual International Symposium on Computer "
         "Architecture ({ISCA} '10)"},
        {"pages", "48--59"},
        {"year", "2010"},
        {"doi", "10.1145/1815961.1815970"}},
       {"Barr et al., ISCA'10"}},
      {"bhargava2008accelerating",
       "inproceedings",
       {{"author",
         "Bhargava, Ravi and Serebrin, Benjamin and Spadini, Francesco and "
         "Manne, Srilatha"},
        {"title",
         "Accelerating Two-Dimensional Page Walks for Virtualized Systems"},
        {"booktitle",
         "Proceedings of the 13th International Conference on Architectural "
         "Support for Programming Languages and Operating Systems "
         "({ASPLOS XIII})"},
        {"pages", "26--35"},
        {"year", "2008"},
        {"doi", "10.1145/1346281.1346286"}},
       {"Bhargava et al., ASPLOS'08"}},
      {"bhattacharjee2013large",
       "inproceedings",
       {{"author", "Bhattacharjee, Abhishek"},
        {"title", "Large-Reach Memory Management Unit Caches"},
        {"booktitle",
         "Proceedings of the 46th Annual {IEEE/ACM} International Symposium on "
         "Microarchitecture ({MICRO-46})"},
        {"pages", "383--394"},
        {"year", "2013"},
        {"doi", "10.1145/2540708.2540741"}},
       {"Bhattacharjee, MICRO'13"}},
      {"keltcher2003opteron",
       "article",
       {{"author",
         "Keltcher, Chetana N. and McGrath, Kevin J. and Ahmed, Ardsher and "
         "Conway, Pat"},
        {"title", "The {AMD} {Opteron} Processor for Multiprocessor Servers"},
        {"journal", "{IEEE} Micro"},
        {"volume", "23"},
        {"number", "2"},
        {"pages", "66--76"},
        {"year", "2003"},
        {"doi", "10.1109/MM.2003.1196116"}},
       {"Keltcher et al., IEEE Micro 2003"}},
      {"landau2011splitx",
       "inproceedings",
       {{"author", "Landau, Alex and Ben-Yehuda, Muli and Gordon, Abel"},
        {"title", "{SplitX}: Split Guest/Hypervisor Execution on Multi-Core"},
        {"booktitle", "3rd Workshop on {I/O} Virtualization ({WIOV} '11)"},
        {"year", "2011"}},
       {"Landau et al., SplitX"}},
      {"vanschaik2017revanc",
       "inproceedings",
       {{"author",
         "van Schaik, Stephan and Razavi, Kaveh and Gras, Ben and Bos, Herbert "
         "and Giuffrida, Cristiano"},
        {"title",
         "{RevAnC}: A Framework for Reverse Engineering Hardware Page Table "
         "Caches"},
        {"booktitle",
         "Proceedings of the 10th European Workshop on Systems Security "
         "({EuroSec} '17)"},
        {"year", "2017"},
        {"url", "https://download.vusec.net/papers/revanc_eurosec17.pdf"},
        {"note",
         "The sizes are those of the program's own notes, "
         "github.com/vusec/revanc"}},
       {"VU Amsterdam's revanc"}},
  };
}

// Manuals, of which the latest edition goes on to describe old processors.
std::vector<Work> Manuals() {
  return {
      {"amd-apm2",
       "manual",
       {{"title",
         "{AMD64} Architecture Programmer's Manual, Volume 2: System "
         "Programming"},
        {"organization", "Advanced Micro Devices"},
        {"note", "Publication 24593"}},
       {"APM Vol. 2"}},
      {"amd-sog17h",
       "manual",
       {{"title",
         "Software Optimization Guide for {AMD} Family 17h Processors"},
        {"organization", "Advanced Micro Devices"},
        {"year", "2017"},
        {"note", "Publication 55723"}},
       {"AMD's guide"}},
      {"intel-optimization",
       "manual",
       {{"title",
         "Intel 64 and {IA-32} Architectures Optimization Reference Manual"},
        {"organization", "Intel Corporation"},
        {"note", "Order number 248966"}},
       {"Intel Optimization Manual", "Intel's tables"}},
      {"intel-sdm3",
       "manual",
       {{"title",
         "Intel 64 and {IA-32} Architectures Software Developer's Manual, "
         "Volume 3: System Programming Guide"},
        {"organization", "Intel Corporation"},
        {"note", "Order number 325384"}},
       {"SDM"}},
  };
}

// Collections of measurements, programs, posts.
std::vector<Work> Others() {
  return {
      {"7cpu-zen2",
       "misc",
       {{"title", "{Zen} 2"},
        {"howpublished", "Pages of 7-cpu.com"},
        {"url", "https://www.7-cpu.com/cpu/Zen2.html"}},
       {"7-cpu"}},
      {"amit2019deferred",
       "misc",
       {{"author", "Amit, Nadav"},
        {"title", "x86/mm/tlb: Defer {TLB} flushes with {PTI}"},
        {"howpublished",
         "Series of patches ({RFC} v2) on the linux-kernel mailing list"},
        {"year", "2019"},
        {"url",
         "https://mail-archive.com/linux-kernel@vger.kernel.org/"
         "msg2086904.html"}},
       {"N. Amit's series", "N. Amit, 2019"}},
      {"belousov2018pcid",
       "misc",
       {{"author", "Belousov, Konstantin"},
        {"title", "Use {PCID} to optimize {PTI}"},
        {"howpublished", "{FreeBSD} review D13985, revision 328470"},
        {"year", "2018"},
        {"url", "https://reviews.freebsd.org/D13985"}},
       {"FreeBSD D13985"}},
      {"instlatx64",
       "misc",
       {{"author", "{InstLatx64}"},
        {"title",
         "x86, x64 Instruction Latency, Memory Latency and {CPUID} dumps"},
        {"howpublished",
         "Collection of dumps and measurements, as of July 2026"},
        {"url", "https://github.com/InstLatx64/InstLatx64"}},
       // The dumps of CPUID and the measured steps are all of this collection.
       {"InstLatx64", "CPUID", "LOCK RMW on an L1 line", "that the step past",
        "the grid shows"}},
      {"linux-kernel2020seves",
       "misc",
       {{"title",
         "Message of 2 December 2020 with the cycles of exits of {SEV-ES} "
         "guests"},
        {"howpublished", "linux-kernel mailing list"},
        {"year", "2020"}},
       {"linux-kernel, 2020-12-02"}},
      {"mode-switch-stat",
       "misc",
       {{"author", "{eecheng87}"},
        {"title", "Result list"},
        {"howpublished", "Issue 1 of mode-switch-stat"},
        {"year", "2021"},
        {"url", "https://github.com/eecheng87/mode-switch-stat/issues/1"}},
       {"mode-switch-stat"}},
      {"torvalds2014fault",
       "misc",
       {{"author", "Torvalds, Linus"},
        {"title", "Post of 30 April 2014 on the cost of page faults"},
        {"howpublished", "Google+"},
        {"year", "2014"},
        {"url", "https://plus.google.com/+LinusTorvalds/posts/YDKRFDwHwr6"}},
       {"Torvalds'14"}},
      {"wikichip-zen2",
       "misc",
       {{"title", "{Zen} 2 -- Microarchitectures -- {AMD}"},
        {"howpublished", "{WikiChip}"},
        {"url", "https://en.wikichip.org/wiki/amd/microarchitectures/zen_2"}},
       {"WikiChip"}},
      {"xen-source",
       "misc",
       {{"author", "{The Xen Project}"},
        {"title", "{Xen} Hypervisor"},
        {"howpublished", "Source, version 4.17"},
        {"year", "2022"},
        {"url", "https://xenbits.xen.org/gitweb/?p=xen.git"}},
       {"xen/arch/x86/"}},
  };
}

// How sources begin that say of a value that it is as others of the machine, or
// that the machine lacks what it is of.
constexpr std::string_view kFromOthers[] = {"as ",
                                            "DRAM as ",
                                            "L3 as ",
                                            "INT 0x82: same gate as ",
                                            "one cycle is one cycle",
                                            "no L3 on ",
                                            "no EPT",
                                            "no VMX",
                                            "no PCID",
                                            "no INVPCID",
                                            "AMD's K8 alone has one"};

// How it ends if the other one is no longer the machine's own: see
// FollowPriceRules().
constexpr std::string_view kFollows = ", which was changed";

}  // namespace

std::string_view Work::Field(std::string_view name) const {
  for (const WorkField& field : fields) {
    if (field.name == name) return field.value;
  }
  return "";
}

std::span<const Work> Works() {
  static const std::vector<Work> works = [] {
    std::vector<Work> all = Papers();
    for (std::vector<Work> more : {Manuals(), Others()}) {
      all.insert(all.end(), more.begin(), more.end());
    }
    std::sort(all.begin(), all.end(),
              [](const Work& a, const Work& b) { return a.key < b.key; });
    return all;
  }();
  return works;
}

std::vector<const Work*> WorksIn(std::string_view source) {
  std::vector<const Work*> found;
  for (const Work& work : Works()) {
    const bool named = std::any_of(
        work.names.begin(), work.names.end(), [&](std::string_view name) {
          return source.find(name) != std::string_view::npos;
        });
    if (named) found.push_back(&work);
  }
  return found;
}

Unsourced UnsourcedOf(Mark mark, std::string_view source) {
  if (!WorksIn(source).empty()) return Unsourced::kNo;
  if (mark == Mark::kEstimated || mark == Mark::kMeasured) {
    return Unsourced::kOwn;
  }
  if (mark == Mark::kRemembered) return Unsourced::kRemembered;
  const bool from_others = std::any_of(
      std::begin(kFromOthers), std::end(kFromOthers),
      [&](std::string_view start) { return source.starts_with(start); });
  const bool follows = from_others || source.ends_with(kFollows);
  return follows ? Unsourced::kFromOthers : Unsourced::kNo;
}

std::string BibtexOf(const Work& work) {
  std::string text = absl::StrCat("@", Abs(work.type), "{", Abs(work.key));
  for (const WorkField& field : work.fields) {
    absl::StrAppend(&text, ",\n  ", Abs(field.name), " = {", Abs(field.value),
                    "}");
  }
  return text + "\n}\n";
}

}  // namespace xmmu
