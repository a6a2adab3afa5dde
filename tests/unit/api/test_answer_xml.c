#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "api/answer_xml.h"
#include "base/cleanup.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"

static void assert_xml(const char *json, const char *want)
{
    json_auto_t *answer = json_loads(json, 0, NULL);
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    kn_answer_xml(&out, "Get", answer);
    assert_string_equal(kn_buf_text(&out), want);
}

static void request_id_comes_first_and_objects_nest(void **state)
{
    (void)state;
    assert_xml("{\"A\":{\"B\":1,\"C\":true},\"RequestId\":\"R\",\"D\":2.5}",
               HEAD "<GetResponse><RequestId>R</RequestId><A><B>1</B><C>true</C></A><D>2.5</D>"
                    "</GetResponse>");
}

static void plain_arrays_repeat_their_element(void **state)
{
    (void)state;
    assert_xml("{\"Jobs\":[{\"Id\":\"a\"},{\"Id\":\"b\"}]}",
               HEAD "<GetResponse><Jobs><Id>a</Id></Jobs><Jobs><Id>b</Id></Jobs></GetResponse>");
}

static void wrapped_arrays_repeat_inside_their_wrapper(void **state)
{
    (void)state;
    assert_xml("{\"JobList\":{\"Job\":[\"a\",\"b\"]}}",
               HEAD "<GetResponse><JobList><Job>a</Job><Job>b</Job></JobList></GetResponse>");
}

static void text_and_names_are_made_safe(void **state)
{
    (void)state;
    assert_xml("{\"A\":\"<&>\\\"\\u0001\",\"1 b>\":\"x\"}",
               HEAD "<GetResponse><A>&lt;&amp;&gt;&quot;\xEF\xBF\xBD</A><_1_b_>x</_1_b_>"
                    "</GetResponse>");
}

static void errors_look_as_the_vendor_writes_them(void **state)
{
    (void)state;
    json_auto_t *error = json_loads("{\"RequestId\":\"R\",\"HostId\":\"h\",\"Code\":\"C\","
                                    "\"Message\":\"m\",\"Recommend\":\"http://x/?a=1&b=2\"}",
                                    0, NULL);
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    kn_error_xml(&out, error);
    assert_string_equal(kn_buf_text(&out),
                        "<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>R</RequestId>"
                        "<HostId>h</HostId><Code>C</Code><Message>m</Message>"
                        "<Recommend><![CDATA[http://x/?a=1&b=2]]></Recommend></Error>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_id_comes_first_and_objects_nest),
        cmocka_unit_test(plain_arrays_repeat_their_element),
        cmocka_unit_test(wrapped_arrays_repeat_inside_their_wrapper),
        cmocka_unit_test(text_and_names_are_made_safe),
        cmocka_unit_test(errors_look_as_the_vendor_writes_them),
    };
    return cmocka_run_group_tests_name("api/answer_xml", tests, NULL, NULL);
}
