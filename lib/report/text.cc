// A document as text for people.

#include <string>
#include <variant>

#include "base/printable.h"
#include "report/renderers.h"

namespace xmmu {

std::string RenderText(const Document& document) {
  std::string text;
  for (const Document::Block& block : document.text) {
    if (const auto* table = std::get_if<TextTable>(&block)) {
      text += table->Format();
    } else if (const auto* outline = std::get_if<Outline>(&block)) {
      text += outline->Format();
    } else {
      text += std::get<std::string>(block);
    }
  }
  return PrintableLines(text);
}

}  // namespace xmmu
