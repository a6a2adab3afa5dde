/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/xml.h"

static void text_is_escaped_and_control_characters_go(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    kn_xml_text(&out, "a <b> & \"c\"\r\n\t\x01\x1F 中");
    assert_string_equal(kn_buf_text(&out), "a &lt;b&gt; &amp; &quot;c&quot;&#13;\n\t?? 中");
    kn_buf_reset(&out);
    kn_xml_text(&out, "not UTF-8: \xE7s; not a character: ");
    kn_xml_text(&out, "\xEF\xBF\xBF\xEF\xBF\xBD");
    assert_string_equal(kn_buf_text(&out), "not UTF-8: ?s; not a character: ?\xEF\xBF\xBD");
}

static void elements_are_closed(void **state)
{
    (void)state;
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    kn_xml(&out, "A", "");
    kn_xml(&out, "B", "<");
    kn_xml_int(&out, "C", -5);
    assert_string_equal(kn_buf_text(&out), "<A></A><B>&lt;</B><C>-5</C>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped_and_control_characters_go),
        cmocka_unit_test(elements_are_closed),
    };
    return cmocka_run_group_tests_name("base/xml", tests, NULL, NULL);
}
