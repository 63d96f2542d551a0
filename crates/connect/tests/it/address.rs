use ensue_connect::net::{Cidr, is_public};

#[test]
fn which_addresses_are_public() {
    #[rustfmt::skip]
    let cases = [
        ("1.1.1.1", true), ("8.8.8.8", true), ("172.15.255.255", true), ("172.32.0.0", true), ("100.63.255.255", true), ("223.255.255.255", true),
        ("0.0.0.0", false), ("0.1.2.3", false), ("10.0.0.1", false), ("100.64.0.1", false), ("100.127.255.255", false),
        ("127.0.0.1", false), ("127.255.255.254", false), ("169.254.169.254", false), ("172.16.0.1", false), ("172.31.255.255", false),
        ("192.0.0.8", false), ("192.0.2.1", false), ("192.88.99.1", false), ("192.168.1.1", false), ("198.18.0.1", false), ("198.19.255.255", false),
        ("198.51.100.1", false), ("203.0.113.1", false), ("224.0.0.1", false), ("239.1.1.1", false), ("240.0.0.1", false), ("255.255.255.255", false),
        ("2606:4700:4700::1111", true), ("2a00:1450:4001::1", true),
        ("::", false), ("::1", false), ("::127.0.0.1", false), ("::ffff:127.0.0.1", false), ("::ffff:10.0.0.1", false), ("::ffff:1.1.1.1", true),
        ("64:ff9b::7f00:1", false), ("64:ff9b::a9fe:a9fe", false), ("64:ff9b::101:101", true), ("64:ff9b:1::1", false),
        ("fc00::1", false), ("fd00:ec2::254", false), ("fe80::1", false), ("fec0::1", false), ("ff02::1", false),
        ("2001::1", false), ("2001:db8::1", false), ("2002:7f00:1::", false), ("3fff::1", false), ("100::1", false), ("5f00::1", false),
    ];
    for (address, expected) in cases {
        assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
    }
}

#[test]
fn address_ranges() {
    #[rustfmt::skip]
    let cases = [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("10.1.2.3", "10.1.2.3", true), ("10.1.2.3", "10.1.2.4", false),
        ("0.0.0.0/0", "1.2.3.4", true), ("0.0.0.0/0", "::1", false), ("127.0.0.0/8", "::ffff:127.0.0.1", true),
        ("::/0", "::1", true), ("fd00::/8", "fd12::1", true), ("fd00::/8", "fe12::1", false), ("::1/128", "::1", true),
    ];
    for (range, address, expected) in cases {
        let range_read: Cidr = range.parse().unwrap();
        assert_eq!(range_read.contains(address.parse().unwrap()), expected, "{range} {address}");
    }
    for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "host", "10.0.0.0/-1", "10.0.0.0/8/8"] {
        assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
    }
}
