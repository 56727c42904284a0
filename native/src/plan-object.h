// The JavaScript class Plan: a prepared plan of any device, and its calls.

#pragma once

#include <napi.h>

#include <functional>
#include <memory>

#include "machine.h"
#include "run.h"

namespace tsdlc {

/// A plan from its description (runtime/plan-description.ts documents it); throws a JavaScript error when it is broken.
Plan planOf(const Napi::Object& description, const Napi::Value& constants);

/// The JavaScript error for a kernel that the code of a program does not have.
Napi::Error noKernel(Napi::Env env, const std::string& entry);

class PlanObject : public Napi::ObjectWrap<PlanObject> {
 public:
  static void define(Napi::Env env);
  static Napi::Value wrap(Napi::Env env, std::shared_ptr<Machine> machine, std::shared_ptr<PreparedPlan> prepared);

  explicit PlanObject(const Napi::CallbackInfo& info);

 private:
  struct Parts;

  Napi::Value run(const Napi::CallbackInfo& info);
  void runAt(const Napi::CallbackInfo& info);
  void refuseSharedDonations(Napi::Env env, const Run::Inputs& inputs);
  std::shared_ptr<Storage> outputStorage(const Plan::Buffer& buffer, const Run::Inputs& inputs, const Run::Results& results) const;

  std::shared_ptr<Machine> machine_;
  std::shared_ptr<PreparedPlan> prepared_;
  /// Shared by all plans of the process's devices, so that a mark of one plan's run is never taken for another's.
  static thread_local uint64_t runs_;
};

}  // namespace tsdlc
