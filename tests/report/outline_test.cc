#include "xmmu/report/outline.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xmmu/report/document.h"
#include "xmmu/report/page.h"

namespace xmmu::outline_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Outline Example() {
  Outline outline({"step", "who", "cycles"}, 1);
  outline.Add(0, {"fault", "processor", "1,100"});
  outline.Add(1, {"handler <of> it", "Xen", "100"});
  outline.Add(2, {"lock", "Xen", "100"});
  outline.Add(0, {"access", "program", "1"});
  return outline;
}

TEST(OutlineTest, TextIsIndentedByDepth) {
  EXPECT_EQ(Example().Format(),
            "  step               who        cycles\n"
            "  ------------------------------------\n"
            "  fault              processor   1,100\n"
            "    handler <of> it  Xen           100\n"
            "      lock           Xen           100\n"
            "  access             program         1\n");
}

TEST(OutlineTest, ADocumentHasItInItsText) {
  Document document;
  document.text.emplace_back(Example());
  EXPECT_EQ(Render(document, ReportFormat::kText), Example().Format());
}

TEST(OutlineTest, RowsWithRowsUnfoldOnAPageAndOthersDoNot) {
  Document document;
  document.text.emplace_back("the story\n");
  document.text.emplace_back(Example());
  document.legend = {{"words", {{"lock", "", "a \"lock\""}}}};
  const std::string page = RenderPage(document, "title");
  EXPECT_THAT(page, HasSubstr("<div class=\"title\">the story</div>"));
  EXPECT_THAT(
      page,
      HasSubstr(
          "<details open><summary class=\"row\"><span class=\"left\">fault"
          "</span><span class=\"left\">processor</span><span>1,100</span>"
          "</summary>\n"
          "<details open><summary class=\"row\"><span class=\"left\">handler "
          "&lt;of&gt; it</span><span class=\"left\">Xen</span><span>100</span>"
          "</summary>\n"
          "<div class=\"row\"><span class=\"left\"><span title=\"a "
          "&quot;lock&quot;\">lock</span></span><span class=\"left\">Xen"
          "</span><span>100</span></div>\n"
          "</details>\n</details>\n"
          "<div class=\"row\"><span class=\"left\">access</span>"));
  EXPECT_THAT(page, Not(HasSubstr("<pre>the story")));
}

TEST(OutlineTest, DeepRowsAreFoldedAtFirst) {
  Outline outline({"step"}, 0);
  for (size_t depth = 0; depth < 4; ++depth) outline.Add(depth, {"a"});
  Document document;
  document.text.emplace_back(outline);
  const std::string page = RenderPage(document, "title");
  EXPECT_THAT(page, HasSubstr("<details><summary"));
}

TEST(OutlineTest, WhatATerminalObeysIsShown) {
  Outline outline({"step"}, 0);
  outline.Add(0, {"a\033[31m"});
  EXPECT_THAT(outline.Format(), Not(HasSubstr("\033")));
}

TEST(OutlineDeathTest, ARowIsOneStepDeeperAtMost) {
  Outline outline({"step"}, 0);
  EXPECT_DEATH(outline.Add(1, {"a"}), "");
  outline.Add(0, {"a"});
  EXPECT_DEATH(outline.Add(2, {"b"}), "");
  EXPECT_DEATH(outline.Add(1, {"b", "c"}), "");
}

}  // namespace
}  // namespace xmmu::outline_test
