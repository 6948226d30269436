#ifndef XMMU_LIB_CLI_CONSOLE_H_
#define XMMU_LIB_CLI_CONSOLE_H_

// The user's side of a command that works: the interrupt that ends it, and the
// line on standard error that says how far it is.
//
// The first SIGINT, SIGTERM or SIGHUP, where they are not ignored, that comes
// while a console lives ends the program, and decides the exit status; those
// that follow are of the same interrupt (timeout(1) sends it twice). A thread of
// its own asks what runs to stop (stop()), and ends the program itself if that
// takes long: a single operation of a guest may, a read from a pipe, or tables
// of many GiB that are given back. What must not be cut in the middle, and what
// must not stay, it is told.
//
// The line is there from the first second on if standard error is a terminal. It
// is the only thing here that looks at the time of day.
//
// A program that calls commands as functions has another console for each call:
// it takes no signals and draws nothing, is stopped by Stop(), and keeps the
// document of a report.
//
// One at a time, but for those. Called by one thread; stop(), Stop() and
// progress() may be used by all.

#include <atomic>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "xmmu/base/jobs.h"
#include "xmmu/report/document.h"

namespace xmmu::cli {

class Console {
 public:
  // From here on signals are noted.
  Console();
  // Takes no signals: the document of a report goes to `kept`, which outlives
  // the console, and is not written.
  explicit Console(std::optional<Document>& kept) : kept_(&kept) {}
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;
  // Gives signals back to whoever had them.
  ~Console();

  // The command `name`, for messages, begins.
  void Begin(std::string name);
  // Instead of Begin() for what ends at once, and for a command that takes
  // signals itself as it starts other programs: they do again what they do by
  // default. Errors: Cancelled if one has come already.
  absl::Status BeginWithoutSignals();
  // It is over: nothing ends the program any more, and the line is wiped.
  void End();

  // Requested once an interrupt has come.
  std::stop_token stop() const { return stop_.get_token(); }
  JobProgress& progress() { return progress_; }
  // Does what an interrupt does, but does not end the program.
  void Stop() { stop_.request_stop(); }
  // Where the document of a report is to be kept; nullptr if it is written.
  std::optional<Document>* kept() const { return kept_; }

  // The result of the command: `status`, or what to say of an interrupt, with
  // the exit status that shells have for its signal.
  absl::Status ResultOf(const absl::Status& status) const;

  // What is to be written is whole. Wipes the line. Errors: Cancelled if an
  // interrupt has come; then nothing may be written any more.
  absl::Status BeginOutput();

  // While one lives no interrupt ends the program.
  class Hold {
   public:
    explicit Hold(Console& console) : lock_(console.holding_) {}

   private:
    std::lock_guard<std::mutex> lock_;
  };

  // The file `path` goes if an interrupt ends the program.
  void RemoveIfEnded(std::string path);

 private:
  // Signals do again what they do by default, unless one has come.
  void GiveBack();
  // What the thread does.
  void Watch();
  // Waits for a signal until `milliseconds` have passed, or for ever if that is
  // negative. Returns false once End() is called.
  bool Wait(int milliseconds);
  void Draw();
  void Wipe();
  [[noreturn]] void EndProgram();
  std::string Message() const;

  std::optional<Document>* kept_ = nullptr;
  std::string name_;
  std::stop_source stop_;
  JobProgress progress_;
  std::atomic<int> signal_ = 0;
  std::atomic<bool> writing_ = false;

  std::mutex holding_;
  std::string removed_;  // guarded by holding_; empty if there is none

  std::mutex drawing_;
  // Standard error is a terminal, and nothing else is to be there yet.
  std::atomic<bool> shows_ = false;
  bool drawn_ = false;  // guarded by drawing_

  std::vector<int> taken_;  // signals that are noted
  int signal_fd_ = -1;      // an eventfd: one has come
  int end_fd_ = -1;
  std::thread thread_;
};

}  // namespace xmmu::cli

#endif  // XMMU_LIB_CLI_CONSOLE_H_
