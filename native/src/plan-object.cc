#include "plan-object.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "description.h"
#include "handle.h"
#include "read.h"

namespace tsdlc {

thread_local uint64_t PlanObject::runs_ = 0;

namespace {

/// Of temporaries, as the runtime places them for the CPU.
constexpr size_t alignment = 64;

}  // namespace

Plan planOf(const Napi::Object& description, const Napi::Value& constants) {
  Plan plan;
  if (!constants.IsUndefined()) plan.constants = storageOf(constants);
  plan.name = description.Get("name").As<Napi::String>().Utf8Value();
  plan.dims = vectorOf<int64_t, Napi::Float64Array>(description, "dims");
  plan.code = vectorOf<int32_t, Napi::Int32Array>(description, "code");
  plan.stackBytes = sizesOf(description, "stackBytes");
  plan.outputs = vectorOf<int32_t, Napi::Int32Array>(description, "outputs");
  plan.parameterBytes = sizesOf(description, "parameterBytes");
  plan.donated = vectorOf<bool, Napi::Uint8Array>(description, "donated");
  plan.arenaBytes = static_cast<size_t>(numberOr(description, "arenaBytes", 0));
  plan.work = numberOr(description, "work", 0);

  const auto kinds = vectorOf<int32_t, Napi::Int32Array>(description, "bufferKinds");
  const auto positions = sizesOf(description, "bufferPositions");
  const auto bytes = sizesOf(description, "bufferBytes");
  for (size_t i = 0; i < kinds.size(); i++) {
    plan.buffers.push_back({static_cast<BufferKind>(kinds[i]), positions.at(i), bytes.at(i)});
  }
  const auto resultBytes = sizesOf(description, "resultBytes");
  const auto reuses = vectorOf<int32_t, Napi::Int32Array>(description, "resultReuses");
  for (size_t i = 0; i < resultBytes.size(); i++) plan.results.push_back({resultBytes[i], reuses.at(i)});

  const std::vector<std::string> entries = textsOf(description, "kernels");
  const std::vector<std::string> labels = textsOf(description, "labels");
  const auto grids = vectorOf<int64_t, Napi::Float64Array>(description, "grids");
  const auto works = vectorOf<double, Napi::Float64Array>(description, "works");
  const auto threads = vectorOf<uint32_t, Napi::Uint32Array>(description, "threads");
  const auto inputs = vectorOf<uint32_t, Napi::Uint32Array>(description, "inputs");
  for (size_t i = 0; i < entries.size(); i++) {
    plan.kernels.push_back({entries[i], labels.at(i), grids.at(i), std::max(1.0, works.at(i)), threads.at(i), inputs.at(i)});
  }
  try {
    plan.check();
  } catch (const std::invalid_argument& error) {
    throw Napi::Error::New(description.Env(), error.what());
  }
  return plan;
}

Napi::Error noKernel(Napi::Env env, const std::string& entry) {
  Napi::Error error = Napi::Error::New(env, "there is no kernel " + entry);
  error.Set("code", Napi::String::New(env, "TSDLC_NO_KERNEL"));
  return error;
}

namespace {

/// One for each environment of the process: the constructor of the class.
struct Classes {
  Napi::FunctionReference plan;
};

Napi::Error sharedDonation(Napi::Env env, int donated, size_t other) {
  Napi::Error error = Napi::Error::New(env, "one storage is donated and passed twice");
  Napi::Array leaves = Napi::Array::New(env, 2);
  leaves.Set(0u, donated);
  leaves.Set(1u, static_cast<double>(other));
  error.Set("leaves", leaves);
  return error;
}

}  // namespace

struct PlanObject::Parts {
  std::shared_ptr<Machine> machine;
  std::shared_ptr<PreparedPlan> prepared;
};

void PlanObject::define(Napi::Env env) {
  auto* classes = new Classes;
  classes->plan = Napi::Persistent(DefineClass(env, "Plan", {InstanceMethod<&PlanObject::run>("run"), InstanceMethod<&PlanObject::runAt>("runAt")}));
  env.SetInstanceData(classes);
}

Napi::Value PlanObject::wrap(Napi::Env env, std::shared_ptr<Machine> machine, std::shared_ptr<PreparedPlan> prepared) {
  Parts parts{std::move(machine), std::move(prepared)};
  return env.GetInstanceData<Classes>()->plan.New({Napi::External<Parts>::New(env, &parts)});
}

PlanObject::PlanObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PlanObject>(info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "a plan is made by its device");
  Parts& parts = *info[0].As<Napi::External<Parts>>().Data();
  machine_ = std::move(parts.machine);
  prepared_ = std::move(parts.prepared);
}

/// run(handles): handles of the result leaves. Donated handles are released. Throws before anything is queued.
Napi::Value PlanObject::run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Plan& plan = prepared_->plan;
  const auto arguments = info[0].As<Napi::Array>();
  const size_t count = plan.parameterBytes.size();
  std::vector<Handle*> handles;
  Run::Inputs inputs;
  handles.reserve(count);
  inputs.reserve(count);
  for (uint32_t leaf = 0; leaf < count; leaf++) {
    const Napi::Value value = arguments.Get(leaf);
    inputs.push_back(storageOf(value));
    handles.push_back(value.As<Napi::External<Handle>>().Data());
    if (inputs.back()->bytes() != plan.parameterBytes[leaf]) {
      throw Napi::RangeError::New(env, plan.name + ": parameter leaf " + std::to_string(leaf) + " has the wrong size");
    }
  }
  refuseSharedDonations(env, inputs);

  Run::Results results;
  results.reserve(plan.results.size());
  for (const Plan::Result& result : plan.results) {
    // Queued runs that still read this memory come before; only another handle could look at it after.
    const bool takes = result.reuses >= 0 && inputs[result.reuses]->handles == 1 && inputs[result.reuses]->canGive();
    results.push_back({std::make_shared<Storage>(machine_->allocator, result.bytes), takes ? result.reuses : -1});
  }
  int64_t adjustment = 0;
  Napi::Array outputs = Napi::Array::New(env, plan.outputs.size());
  for (uint32_t i = 0; i < plan.outputs.size(); i++) {
    outputs.Set(i, newHandle(env, outputStorage(plan.buffers[plan.outputs[i]], inputs, results), adjustment));
  }
  for (size_t leaf = 0; leaf < count; leaf++) {
    if (plan.donated[leaf]) adjustment -= handles[leaf]->release();
  }
  std::unique_ptr<Run> run = prepared_->newRun(std::move(inputs), std::move(results));
  if (prepared_->runsAtOnce() && machine_->queue.idle()) run->execute();
  else machine_->queue.push(std::move(run));
  if (adjustment != 0) Napi::MemoryManagement::AdjustExternalMemory(env, adjustment);
  return outputs;
}

/// runAt(addresses: Float64Array): runs now, outside of the queue, on memory that the caller has: that of each parameter
/// leaf, then that of each result. Only for plans that run at once and have no constants; the caller knows their sizes.
void PlanObject::runAt(const Napi::CallbackInfo& info) {
  const Plan& plan = prepared_->plan;
  const auto addresses = info[0].As<Napi::Float64Array>();
  const size_t parameters = plan.parameterBytes.size();
  if (!prepared_->runsAtOnce() || addresses.ElementLength() != parameters + plan.results.size()) {
    throw Napi::TypeError::New(info.Env(), plan.name + ": it does not run on memory of its caller");
  }
  const double* given = addresses.Data();
  const auto at = [](double address) { return reinterpret_cast<char*>(static_cast<uintptr_t>(address)); };
  thread_local std::vector<void*> pointers;
  thread_local std::vector<char> arena;
  if (arena.size() < plan.arenaBytes + alignment) arena.resize(plan.arenaBytes + alignment);
  char* const start = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(arena.data()) + alignment - 1) / alignment * alignment);
  pointers.clear();
  for (const Plan::Buffer& buffer : plan.buffers) {
    switch (buffer.kind) {
      case BufferKind::parameter: pointers.push_back(at(given[buffer.position])); break;
      case BufferKind::result: pointers.push_back(at(given[parameters + buffer.position])); break;
      case BufferKind::temporary: pointers.push_back(start + buffer.position); break;
      case BufferKind::constant: throw Napi::TypeError::New(info.Env(), plan.name + ": it has constants");
    }
  }
  try {
    prepared_->walkHere(pointers.data());
  } catch (const Failed& stopped) {
    throw errorOf(info.Env(), *stopped.failure);
  }
}

/// A donated storage may be passed only once; the error's `leaves` are the two positions.
void PlanObject::refuseSharedDonations(Napi::Env env, const Run::Inputs& inputs) {
  const std::vector<bool>& donated = prepared_->plan.donated;
  const uint64_t run = ++runs_;
  for (size_t leaf = 0; leaf < inputs.size(); leaf++) {
    if (!donated[leaf]) continue;
    if (inputs[leaf]->donatedInRun == run) throw sharedDonation(env, inputs[leaf]->donatedAsLeaf, leaf);
    inputs[leaf]->donatedInRun = run;
    inputs[leaf]->donatedAsLeaf = static_cast<int>(leaf);
  }
  for (size_t leaf = 0; leaf < inputs.size(); leaf++) {
    if (!donated[leaf] && inputs[leaf]->donatedInRun == run) throw sharedDonation(env, inputs[leaf]->donatedAsLeaf, leaf);
  }
}

std::shared_ptr<Storage> PlanObject::outputStorage(const Plan::Buffer& buffer, const Run::Inputs& inputs,
                                                   const Run::Results& results) const {
  switch (buffer.kind) {
    case BufferKind::parameter: return inputs[buffer.position];
    case BufferKind::result: return results[buffer.position].storage;
    default: return std::make_shared<Storage>(prepared_->plan.constants, buffer.position, buffer.bytes);
  }
}

}  // namespace tsdlc
