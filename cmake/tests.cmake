# The test executables: built by the target `tests`, run by tests/run. Each test_*.c is one executable.
#   tests/unit/FOLDER/test_*.c, tests/golden/test_*.c, tests/step/test_*.c   see the headers of src and lab
#   tests/kernels/*.c                                                        one harness
#   tests/api/test_*.c                                                       see penstock.h only, and the shared library
add_custom_target(tests)

add_executable(print_levels EXCLUDE_FROM_ALL tests/levels.c)
target_link_libraries(print_levels PRIVATE penstock_static)
set_target_properties(print_levels PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
add_dependencies(tests print_levels)

if(NOT CMOCKA_FOUND)
    return()
endif()

# penstock_test(FOLDER NAME SOURCE...): build/tests/FOLDER/NAME
function(penstock_test folder name)
    string(REPLACE "/" "_" target "${folder}_${name}")
    add_executable(${target} EXCLUDE_FROM_ALL ${ARGN})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME "${name}"
        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/${folder}")
    target_link_libraries(${target} PRIVATE PkgConfig::CMOCKA Threads::Threads m)
    if(folder STREQUAL "api")
        target_link_libraries(${target} PRIVATE penstock_shared)
    else()
        target_include_directories(${target} PRIVATE include src tests)
        target_link_libraries(${target} PRIVATE penstock_lab penstock_static PkgConfig::JANSSON PkgConfig::XXHASH)
    endif()
    add_dependencies(tests ${target})
endfunction()

file(GLOB tests RELATIVE "${PROJECT_SOURCE_DIR}/tests" CONFIGURE_DEPENDS
    tests/unit/*/test_*.c tests/golden/test_*.c tests/step/test_*.c tests/api/test_*.c)
foreach(test IN LISTS tests)
    get_filename_component(folder "${test}" DIRECTORY)
    get_filename_component(name "${test}" NAME_WE)
    penstock_test("${folder}" "${name}" "tests/${test}")
endforeach()

file(GLOB harness CONFIGURE_DEPENDS tests/kernels/*.c)
if(harness)
    penstock_test(kernels harness ${harness})
endif()
