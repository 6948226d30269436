// The dictionary in lib/report/README.md is that of the tables. To write it
// anew, run the test with XMMU_WRITE_DICTIONARY=1.

#include "xmmu/report/dictionary.h"

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xmmu/report/report.h"

namespace xmmu::dictionary_test {
namespace {

using ::testing::HasSubstr;

constexpr char kReadme[] = XMMU_SOURCE_DIR "/lib/report/README.md";
constexpr char kBegin[] = "<!-- dictionary -->\n";
constexpr char kEnd[] = "<!-- end of the dictionary -->\n";
constexpr size_t kWidth = 100;

// `text` as an item of a list, in lines of at most kWidth.
std::string Item(const std::string& text) {
  std::string result;
  std::string line = "*";
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (line.size() + 1 + word.size() > kWidth) {
      result += line + "\n";
      line = " ";
    }
    line += " " + word;
  }
  return result + line + "\n";
}

std::string DictionaryText() {
  std::string text;
  for (const DictionaryEntry& entry : Dictionary()) {
    text += "\n### " + std::string(entry.name) + ": " +
            std::string(entry.help) + "\n\n";
    for (const Term& term : entry.terms()) {
      text += Item("**" + term.name + "**" +
                   (term.unit.empty() ? "" : " (" + term.unit + ")") + ": " +
                   term.help);
    }
  }
  return text + "\n";
}

std::string ReadmeText() {
  std::ifstream file(kReadme);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(DictionaryTest, TheReadmeHasWhatTheTablesHave) {
  const std::string readme = ReadmeText();
  const size_t begin = readme.find(kBegin);
  const size_t end = readme.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const size_t from = begin + sizeof(kBegin) - 1;
  if (std::getenv("XMMU_WRITE_DICTIONARY") != nullptr) {
    std::ofstream(kReadme) << readme.substr(0, from) << DictionaryText()
                           << readme.substr(end);
    return;
  }
  EXPECT_EQ(readme.substr(from, end - from), DictionaryText());
}

TEST(DictionaryTest, ANameHasASentenceAndStandsOnceInItsList) {
  for (const DictionaryEntry& entry : Dictionary()) {
    std::set<std::string> names;
    for (const Term& term : entry.terms()) {
      EXPECT_FALSE(term.help.empty()) << term.name;
      EXPECT_TRUE(names.insert(term.name).second) << term.name;
    }
    EXPECT_FALSE(names.empty()) << entry.name;
    EXPECT_EQ(FindDictionaryEntry(entry.name), &entry);
  }
  EXPECT_EQ(FindDictionaryEntry("nothing"), nullptr);
}

TEST(DictionaryTest, EveryColumnOfAComparisonIsInIt) {
  const Comparison comparison;
  const Document document = ComparisonDocument(comparison);
  std::set<std::string> known;
  for (const Term& term : FindDictionaryEntry("columns")->terms()) {
    known.insert(term.name);
  }
  for (const Term& term : FindDictionaryEntry("counters")->terms()) {
    known.insert(term.name);
  }
  for (const Term& term : FindDictionaryEntry("components")->terms()) {
    known.insert("cycles_" + term.name);
  }
  for (const Term& term : FindDictionaryEntry("marks")->terms()) {
    known.insert("share_" + term.name);
  }
  for (const Column& column : document.table.columns) {
    EXPECT_TRUE(known.contains(column.key)) << column.key;
    EXPECT_FALSE(column.help.empty()) << column.key;
  }
}

TEST(DictionaryTest, AListIsADocument) {
  const Document document = DictionaryDocument(*FindDictionaryEntry("marks"));
  EXPECT_THAT(Render(document, ReportFormat::kText),
              HasSubstr("  estimated         the value is assumed: an "
                        "engineering estimate\n"));
  EXPECT_THAT(Render(document, ReportFormat::kCsv),
              HasSubstr("name,unit,help\nread,,"));
  EXPECT_THAT(Render(document, ReportFormat::kJson),
              HasSubstr("\"name\": \"read\""));
}

}  // namespace
}  // namespace xmmu::dictionary_test
