# `worker-bundle`: one folder that runs on any x86-64 Linux to which the torch 2.11.0 packages are given. It holds the
# worker's programs, the checks for GPUs, and every library they need besides LibTorch and CUDA: the C library with its
# loader too, so that an older system's does not matter (deploy/worker_bundle/README.md).
if(NOT SKYTRAIN_WITH_TORCH)
  return()
endif()
set(skytrain_bundle_targets skytrain-worker skytrain-shepherd skytrain-probe training_bench)
set(skytrain_bundle_modules)
if(SKYTRAIN_BUILD_GPU)
  get_property(skytrain_gpu_tests GLOBAL PROPERTY SKYTRAIN_GPU_TESTS)
  list(APPEND skytrain_bundle_targets ${skytrain_gpu_tests})
  list(APPEND skytrain_bundle_modules skytrain_gpu)
endif()
set(skytrain_bundle_programs ${skytrain_bundle_targets})
list(TRANSFORM skytrain_bundle_programs REPLACE "(.+)" "$<TARGET_FILE:\\1>")
set(skytrain_bundle_libraries ${skytrain_bundle_modules})
list(TRANSFORM skytrain_bundle_libraries REPLACE "(.+)" "$<TARGET_FILE:\\1>")
add_custom_target(worker-bundle
  COMMAND "${CMAKE_COMMAND}"
    "-DPROGRAMS=${skytrain_bundle_programs}" "-DLIBRARIES=${skytrain_bundle_libraries}"
    "-DTORCH_DIR=${SKYTRAIN_TORCH_DIR}" "-DSTRIP=${CMAKE_STRIP}" "-DC_COMPILER=${CMAKE_C_COMPILER}"
    "-DPARTS=${CMAKE_SOURCE_DIR}/deploy/worker_bundle" "-DBUNDLE=${CMAKE_BINARY_DIR}/worker-bundle"
    -P "${CMAKE_SOURCE_DIR}/common/cmake/MakeWorkerBundle.cmake"
  DEPENDS ${skytrain_bundle_targets} ${skytrain_bundle_modules}
  COMMENT "Collecting the worker bundle" VERBATIM)
