/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of vhost-user: what is sent, and what a back end may not answer. */
#include <errno.h>
#include <string.h>

#include "protocol.h"
#include "suites.h"

START_TEST(test_config_bounds)
{
	struct vu_message m;

	ck_assert_int_eq(viot_vu_make_config(&m, 0, NULL, 0), -EINVAL);
	ck_assert_int_eq(viot_vu_make_config(&m, 0, NULL, VU_CONFIG_MAX + 1), -EINVAL);
	ck_assert_int_eq(viot_vu_make_config(&m, SIZE_MAX, NULL, 1), -EINVAL);
	ck_assert_int_eq(viot_vu_make_config(&m, VU_CONFIG_MAX - 3, "abcd", 4), -EINVAL);
	ck_assert_int_eq(viot_vu_make_config(&m, VU_CONFIG_MAX - 4, "abcd", 4), 0);
	ck_assert_uint_eq(m.header.request, VU_SET_CONFIG);
	ck_assert_uint_eq(m.header.size, 12 + 4);
	ck_assert_mem_eq(m.payload.config.data, "abcd", 4);
}
END_TEST

START_TEST(test_memory)
{
	struct vu_message m;

	viot_vu_make_memory(&m, true, 0x1000, 0x2000);
	ck_assert_uint_eq(m.header.request, VU_ADD_MEM_REG);
	ck_assert_uint_eq(m.header.size, 40);
	ck_assert_uint_eq(m.payload.slot.region.guest_address, 0x1000);
	viot_vu_make_memory(&m, false, 0x1000, 0x2000);
	ck_assert_uint_eq(m.header.request, VU_SET_MEM_TABLE);
	ck_assert_uint_eq(m.payload.table.count, 1);
	ck_assert_uint_eq(m.payload.table.region.size, 0x2000);
}
END_TEST

static const struct {
	struct vu_header header;
	bool is_possible, is_reply;
} answers[] = {
	{{VU_GET_FEATURES, VU_VERSION | VU_REPLY, 8}, true, true},
	{{VU_GET_FEATURES, VU_VERSION, 8}, true, false},
	{{VU_GET_FEATURES, VU_VERSION | VU_REPLY, 4}, true, false},
	{{VU_GET_FEATURES, VU_VERSION | VU_REPLY, 0}, true, false},
	{{VU_GET_CONFIG, VU_VERSION | VU_REPLY, 8}, true, false},
	{{VU_GET_FEATURES, VU_REPLY, 8}, false, false},
	{{VU_GET_FEATURES, VU_VERSION | VU_REPLY, sizeof(struct vu_message)}, false, false},
	{{VU_GET_FEATURES, VU_VERSION | VU_REPLY, UINT32_MAX}, false, false},
};

START_TEST(test_answers)
{
	const struct vu_message m = {.header = answers[_i].header};

	ck_assert_int_eq(viot_vu_is_possible(&m.header), answers[_i].is_possible);
	if (answers[_i].is_possible) {
		ck_assert_int_eq(viot_vu_is_reply(&m, VU_GET_FEATURES), answers[_i].is_reply);
	}
}
END_TEST

START_TEST(test_take_config)
{
	struct vu_message m;
	uint8_t config[VU_CONFIG_MAX] = {0};

	viot_vu_make_config(&m, 0, "abcdefgh", 8);
	ck_assert_int_eq(viot_vu_take_config(&m, config, 8), 0);
	ck_assert_mem_eq(config, "abcdefgh", 8);
	ck_assert_int_eq(viot_vu_take_config(&m, config, 60), -EPROTO);
	m.payload.config.offset = 4;
	ck_assert_int_eq(viot_vu_take_config(&m, config, 8), -EPROTO);
	m.payload.config.offset = 0;
	m.payload.config.size = 60;
	ck_assert_int_eq(viot_vu_take_config(&m, config, 8), -EPROTO);
	m.header.size = 0;
	ck_assert_int_eq(viot_vu_take_config(&m, config, 8), -ENOTSUP);
}
END_TEST

Suite *vhost_user_suite(void)
{
	Suite *suite = suite_create("vhost_user");
	TCase *tcase = tcase_create("messages");

	tcase_add_test(tcase, test_config_bounds);
	tcase_add_test(tcase, test_memory);
	tcase_add_loop_test(tcase, test_answers, 0, sizeof(answers) / sizeof(answers[0]));
	tcase_add_test(tcase, test_take_config);
	suite_add_tcase(suite, tcase);
	return suite;
}
