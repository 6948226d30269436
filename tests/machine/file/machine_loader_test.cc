#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "xmmu/machine/machine_file.h"

namespace xmmu::machine_loader_test {
namespace {

using testing::HasSubstr;

class LoadMachineTest : public testing::Test {
 protected:
  std::string Write(const std::string& text) {
    const std::string path =
        absl::StrCat(testing::TempDir(), "/load_machine_test.toml");
    std::ofstream(path) << text;
    return path;
  }
};

TEST_F(LoadMachineTest, AnUnchangedPresetIsThatPreset) {
  const MachineModel& preset = *FindMachine("core2-2006");
  const auto model = LoadMachine(Write(MachineToml(preset)));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(*model, preset);
}

TEST_F(LoadMachineTest, AChangedPresetSaysThatItIsFromAFile) {
  const std::string path = Write("base = 'core2-2006'\n[cost]\niret = 1\n");
  const auto model = LoadMachine(path);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->name, "core2-2006+file");
  EXPECT_THAT(std::string(model->description), HasSubstr("; from " + path));
}

TEST_F(LoadMachineTest, AMachineOfItsOwnKeepsItsName) {
  const auto model = LoadMachine(Write("base = 'core2-2006'\nname = 'mine'\n"));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->name, "mine");
}

TEST_F(LoadMachineTest, AFileThatIsNotThereIsNamed) {
  EXPECT_EQ(LoadMachine("no/such/file").status().message(),
            "cannot read no/such/file: No such file or directory");
  EXPECT_FALSE(LoadMachine(testing::TempDir()).ok());
}

}  // namespace
}  // namespace xmmu::machine_loader_test
